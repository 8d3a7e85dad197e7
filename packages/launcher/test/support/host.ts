import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LaunchRequest, OciSpec } from '@gantry/interface';
import { shimPath } from '@gantry/native';
import { createLauncher, type LauncherOptions } from '../../src/index.js';
import { document } from './document.js';

const busybox = ['/usr/bin/busybox', '/bin/busybox'].find(
  (path) => existsSync(path) && !readFileSync(path).includes('/ld-linux'),
);

/** Why containers cannot be launched here; empty if they can. */
export const skipReason = [
  process.getuid?.() === 0 ? '' : 'needs root',
  busybox ? '' : 'needs busybox-static',
  existsSync(shimPath) ? '' : 'needs the shim, built by npm run setup',
]
  .filter((reason) => reason !== '')
  .join(', ');

/** ` (skipped: ...)` for the name of a suite, or nothing. */
export const skipNote = skipReason === '' ? '' : ` (skipped: ${skipReason})`;

/** A temporary folder with a root file system of busybox and any number of state folders. */
export class Host {
  readonly folder = mkdtempSync(join(tmpdir(), 'gantry-launcher-'));
  readonly rootfs = join(this.folder, 'rootfs');
  #count = 0;

  constructor() {
    for (const name of ['bin', 'etc', 'tmp', 'proc', 'dev', 'sys'])
      mkdirSync(join(this.rootfs, name), { recursive: true });
    mkdirSync(join(this.folder, 'mount'));
    if (!busybox) return;
    copyFileSync(busybox, join(this.rootfs, 'bin/busybox'));
    const applets = spawnSync(busybox, ['--list'], { encoding: 'utf8' }).stdout.trim().split('\n');
    for (const applet of applets) if (applet !== 'busybox') symlinkSync('busybox', join(this.rootfs, 'bin', applet));
  }

  /** A request that runs a program in the folder, with a state folder of its own. */
  request(args: string[], edit: (config: OciSpec) => unknown = () => undefined): LaunchRequest {
    this.#count++;
    const id = `box-${process.pid}-${this.#count}`;
    const stateDir = join(this.folder, id);
    mkdirSync(stateDir);
    const config = document();
    config.root.path = join(this.folder, 'mount');
    config.process.args = args;
    edit(config);
    const rootfs = { type: 'directory', source: this.rootfs } as const;
    return { id, config, rootfs, cgroups: [], cgroupVersion: 'v1', clampedRlimits: [], stateDir };
  }

  /** Runs a program to its end and gives all that it wrote. */
  async run(args: string[], edit?: (config: OciSpec) => unknown, options?: LauncherOptions) {
    const launcher = createLauncher(options);
    const request = this.request(args, edit);
    await using container = await launcher.launch(request);
    await container.release();
    const exit = await container.exit;
    return { exit, ...(await this.output(request.stateDir)) };
  }

  async output(stateDir: string): Promise<{ stdout: string; stderr: string }> {
    const pieces = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
    for await (const { stream, data } of createLauncher().readLog(stateDir)) pieces[stream].push(data);
    return { stdout: Buffer.concat(pieces.stdout).toString(), stderr: Buffer.concat(pieces.stderr).toString() };
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true });
  }
}

/** Whether there is a process of this id, a zombie included. */
export function processExists(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Whether there is a process of this id that has not ended. */
export function processRuns(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}

/** The processes that have this as an argument, as shims and first processes have the id of their container. */
export function processesCalled(argument: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(argument);
    } catch {
      return false; // Gone meanwhile.
    }
  });
}
