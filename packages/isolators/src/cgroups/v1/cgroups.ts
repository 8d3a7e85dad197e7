import { constants, existsSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type CallOptions, errnoOf, GantryError, toGantryError } from '@gantry/interface';
import type { GroupCall } from '@gantry/native';
import { refused } from '../../errors.js';
import type { Cgroups, Controller } from '../cgroups.js';
import type { DeviceControl } from '../device-control.js';
import { childGroups, makeGroup, removeParentIfEmpty } from '../folders.js';
import { Patience } from '../freezing.js';
import { killProcesses, sigkill, signalProcesses } from '../processes.js';
import { removeGroup } from '../removal.js';
import { readIfThere } from '../text-files.js';
import { cpuV1 } from './cpu.js';
import { inheritCpuset } from './cpuset.js';
import { devicesV1 } from './devices.js';
import { freezeByMoving, thawGroup, writeState } from './freezer.js';
import { hugetlbV1 } from './hugetlb.js';
import { ioV1 } from './io.js';
import { memoryV1 } from './memory.js';

const subsystems: Readonly<Record<Controller, readonly string[]>> = {
  cpu: ['cpu', 'cpuacct'],
  memory: ['memory'],
  pids: ['pids'],
  freezer: ['freezer'],
  devices: ['devices'],
  cpuset: ['cpuset'],
  io: ['blkio'],
  hugetlb: ['hugetlb'],
  net_cls: ['net_cls'],
  net_prio: ['net_prio'],
  perf_event: ['perf_event'],
};

/** cgroup v1: a hierarchy, and so a folder a container, for each subsystem or a few mounted together. */
export class V1Cgroups implements Cgroups {
  readonly version = 'v1' as const;
  readonly cpu = cpuV1;
  readonly memory = memoryV1;
  readonly io = ioV1;
  readonly hugetlb = hugetlbV1;
  readonly devices: DeviceControl;
  readonly #mounts: ReadonlyMap<string, string>;

  constructor(mounts: ReadonlyMap<string, string>) {
    this.devices = devicesV1(mounts.get('devices'));
    this.#mounts = mounts;
  }

  folders(controller: Controller, path: string, isolator: string): string[] {
    const mounts = subsystems[controller].map((subsystem) => {
      const mount = this.#mounts.get(subsystem);
      if (mount === undefined) {
        throw notMounted(isolator, subsystem, 'REFUSED');
      }
      return mount;
    });
    return [...new Set(mounts)].map((mount) => join(mount, path));
  }

  versionOf(): 'v1' {
    return 'v1';
  }

  existing(controller: Controller, path: string): string[] {
    return this.#mounted(controller, path).filter((folder) => existsSync(folder));
  }

  holds(controller: Controller, path: string): boolean {
    return this.existing(controller, path).length > 0;
  }

  async extend(): Promise<boolean> {
    return false;
  }

  /** The part before the dot is the subsystem. */
  file(path: string, name: string): string {
    const subsystem = name.slice(0, name.indexOf('.'));
    const mount = this.#mounts.get(subsystem);
    if (mount === undefined) {
      throw new GantryError('UNSUPPORTED', `${name}: the cgroup v1 subsystem ${subsystem} is not mounted; mount it`);
    }
    return join(mount, path, name);
  }

  async create(controller: Controller, path: string, isolator: string): Promise<void> {
    for (const folder of this.folders(controller, path, isolator)) {
      if (!makeGroup(folder, isolator)) assertUnused(folder, isolator);
      if (controller === 'cpuset') inheritCpuset(folder, isolator);
    }
  }

  making(controller: Controller, path: string, isolator: string): GroupCall[] | undefined {
    // That one inherits from its parent.
    if (controller === 'cpuset') return undefined;
    return this.folders(controller, path, isolator).map((folder) => ['make', folder]);
  }

  async remove(controller: Controller, path: string): Promise<void> {
    const folders = this.#mounted(controller, path);
    await Promise.all(
      folders.map((folder) =>
        removeGroup(folder, async () => {
          await this.#kill(folder, path);
          // Only now: it is not to run for another moment, but frozen it could not die.
          if (controller === 'freezer') await writeState(folder, 'THAWED');
        }),
      ),
    );
  }

  async removeParent(controller: Controller, parent: string): Promise<void> {
    await Promise.all(this.#mounted(controller, parent).map(removeParentIfEmpty));
  }

  async freeze(
    path: string,
    frozen: boolean,
    isolator: string,
    options: Pick<CallOptions, 'signal'> = {},
  ): Promise<boolean> {
    const patience = new Patience(`${isolator}: ${frozen ? 'freezing' : 'thawing'} ${path}`, options);
    const [freezer] = this.#mounted('freezer', path);
    if (frozen && freezer === undefined) throw notMounted(isolator, 'freezer', 'UNSUPPORTED');
    const processes = await this.#processes(path);
    if (freezer !== undefined && !frozen) await thawGroup(freezer, patience);
    if (freezer !== undefined && frozen && processes !== undefined) {
      await freezeByMoving(processes, freezer, isolator, patience);
    }
    return processes !== undefined;
  }

  async signal(path: string, signal: number): Promise<boolean> {
    const folder = await this.#processes(path);
    if (folder === undefined) return false;
    if (signal === sigkill) await this.#forbidProcesses(path);
    await signalProcesses(folder, signal);
    return true;
  }

  async *list(controller: Controller, parent: string): AsyncIterable<string> {
    const names = new Set<string>();
    for (const subsystem of subsystems[controller]) {
      const mount = this.#mounts.get(subsystem);
      if (mount !== undefined) for (const name of await childGroups(join(mount, parent))) names.add(name);
    }
    yield* names;
  }

  /** The folders of a group in those of the controller's hierarchies that are mounted. */
  #mounted(controller: Controller, path: string): string[] {
    const mounts = subsystems[controller].map((subsystem) => this.#mounts.get(subsystem));
    return [...new Set(mounts)].filter((mount) => mount !== undefined).map((mount) => join(mount, path));
  }

  /** The folder that has all processes of a container in it; undefined if there is none. */
  async #processes(path: string): Promise<string | undefined> {
    for (const folder of [...this.#mounted('pids', path), ...this.#mounted('memory', path)]) {
      if ((await readIfThere(join(folder, 'cgroup.procs'))) !== undefined) return folder;
    }
    return undefined;
  }

  async #kill(folder: string, path: string): Promise<void> {
    await this.#forbidProcesses(path);
    await killProcesses(folder);
  }

  /** v1 cannot kill a group at once. Where pids are counted no new process may start meanwhile: a fork bomb would outrun us. */
  async #forbidProcesses(path: string): Promise<void> {
    const pids = this.#mounts.get('pids');
    if (pids === undefined) return;
    const file = join(pids, path, 'pids.max');
    try {
      await writeFile(file, '0', { flag: constants.O_WRONLY });
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw toGantryError(error, `writing ${file}`);
    }
  }
}

function notMounted(isolator: string, subsystem: string, code: 'REFUSED' | 'UNSUPPORTED'): GantryError {
  const remedy = `mount it with 'mount -t cgroup -o ${subsystem} cgroup /sys/fs/cgroup/${subsystem}'`;
  return new GantryError(code, `${isolator}: the cgroup v1 subsystem ${subsystem} is not mounted; ${remedy}`, {
    details: { isolator },
  });
}

/** Whether anything has run in the group: its counters would be taken for the new container's. */
function assertUnused(folder: string, isolator: string): void {
  for (const name of ['cgroup.procs', 'cpuacct.usage', 'memory.max_usage_in_bytes']) {
    const text = readIfThereSync(join(folder, name))?.trim();
    if (text !== undefined && text !== '' && text !== '0') {
      throw refused(isolator, `the control group ${folder} is left from an earlier container`, 'destroy that first', {
        details: { path: folder },
      });
    }
  }
}

function readIfThereSync(file: string): string | undefined {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw toGantryError(error, `reading ${file}`);
  }
}
