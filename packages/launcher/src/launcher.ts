import { GantryError, type Launcher } from '@gantry/interface';
import { compilePlan } from './compile/plan.js';
import { readLog } from './log/reader.js';
import { connectContainer } from './shim/connect.js';
import { readExitRecord } from './shim/exit-record.js';
import { type LogLimits, ShimLaunch } from './shim/launch.js';
import { killProcess } from './shim/process-identity.js';
import { canStage } from './shim/stages.js';
import { ShimSupply } from './shim/supply.js';

/** How a launcher keeps the logs of its containers. */
export interface LauncherOptions {
  /** Bytes that a container's log file has at most before it is rotated; at least 4096. Default 10 MiB. */
  readonly logMaxBytes?: number;
  /** Log files kept of a container, the current one included; 1 to 1000. Default 5. */
  readonly logMaxFiles?: number;
  /**
   * Whether to have a shim ready for the next launch, for 10 s after each: a process of less than 100 kB with the namespaces of the
   * container before, which ends with the host program. Default true.
   */
  readonly spareShim?: boolean;
}

/**
 * The launcher of Linux hosts. Making one costs nothing: addon and shim are loaded by the first launch. A container
 * that it launched or connected to keeps the event loop alive until it ends or is disposed.
 */
export function createLauncher(options: LauncherOptions = {}): Launcher {
  const log: LogLimits = {
    maxBytes: whole(4096, Number.MAX_SAFE_INTEGER, options.logMaxBytes ?? 10 * 2 ** 20, 'logMaxBytes'),
    maxFiles: whole(1, 1000, options.logMaxFiles ?? 5, 'logMaxFiles'),
  };
  const supply = new ShimSupply(options.spareShim ?? true);
  return {
    compile: (request) => compilePlan(request, { secrets: 'masked', stages: canStage() }),
    begin: (id) => new ShimLaunch(id, log, supply),
    async launch(request, call = {}) {
      // Begun with its launch, it has nothing to gain from what can be done ahead.
      await using pending = new ShimLaunch(request.id, log, new ShimSupply(false));
      return await pending.launch(request, call);
    },
    connect: (id, stateDir, call = {}) => connectContainer(id, stateDir, call),
    readExit: readExitRecord,
    readLog: (stateDir, call = {}) => readLog(stateDir, call),
    killOrphan: killProcess,
    close: () => supply.close(),
  };
}

function whole(low: number, high: number, value: number, field: string): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new GantryError('INVALID_ARGUMENT', `${field}: ${value} is not a whole number from ${low} to ${high}`, {
    details: { field },
  });
}
