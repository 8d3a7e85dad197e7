import { constants, existsSync, readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type CallOptions, errnoOf, toGantryError } from '@gantry/interface';
import { refused } from '../../errors.js';
import type { Cgroups, Controller } from '../cgroups.js';
import type { DeviceControl } from '../device-control.js';
import { childGroups, makeGroup, removeParentIfEmpty } from '../folders.js';
import { Patience } from '../freezing.js';
import { killProcesses, sigkill, signalProcesses } from '../processes.js';
import { removeGroup } from '../removal.js';
import { readIfThere } from '../text-files.js';
import { cpuV2 } from './cpu.js';
import { devicesV2 } from './devices.js';
import { freezeGroup } from './freezer.js';
import { hugetlbV2 } from './hugetlb.js';
import { ioV2 } from './io.js';
import { memoryV2 } from './memory.js';

/** Those that every container has, where the host offers them: io is only measured unless more is asked for. */
const ordinary: readonly Controller[] = ['cpu', 'memory', 'pids', 'io'];

/** What a group has without a controller's being switched on. */
const ofEveryGroup: readonly Controller[] = ['devices', 'freezer', 'perf_event'];

/** v1's, which v2 has done away with. */
const ofV1: readonly Controller[] = ['net_cls', 'net_prio'];

/**
 * cgroup v2: one tree, and so one folder a container that all isolators share. A group has the controllers that every
 * group above it has switched on for its children. Those that we switch on in the group above the parent of all stay so, since others
 * in it may have come to use them; in that parent they go with it.
 */
export class V2Cgroups implements Cgroups {
  readonly version = 'v2';
  readonly cpu = cpuV2;
  readonly memory = memoryV2;
  readonly io = ioV2;
  readonly hugetlb = hugetlbV2;
  readonly devices: DeviceControl;
  readonly #mount: string;

  constructor(mount: string) {
    this.devices = devicesV2(mount);
    this.#mount = mount;
  }

  versionOf(): 'v2' {
    return 'v2';
  }

  folders(controller: Controller, path: string, isolator: string): string[] {
    if (ofV1.includes(controller)) {
      throw refused(
        isolator,
        `cgroup v2 has no ${controller}`,
        `leave it out, or mount it beside with 'mount -t cgroup -o ${controller} cgroup /sys/fs/cgroup/${controller}'`,
      );
    }
    return [join(this.#mount, path)];
  }

  existing(_controller: Controller, path: string): string[] {
    const folder = join(this.#mount, path);
    return existsSync(folder) ? [folder] : [];
  }

  holds(controller: Controller, path: string): boolean {
    const [folder] = this.existing(controller, path);
    if (folder === undefined || ofV1.includes(controller)) return false;
    return ofEveryGroup.includes(controller) || controllersOf(folder).includes(controller);
  }

  async extend(controller: Controller, path: string, isolator: string): Promise<boolean> {
    this.folders(controller, path, isolator);
    for (const ancestor of this.#ours(path)) await enableBelow(ancestor, controller, isolator);
    return true;
  }

  file(path: string, name: string): string {
    return join(this.#mount, path, name);
  }

  async create(controller: Controller, path: string, isolator: string): Promise<void> {
    const folder = join(this.#mount, path);
    try {
      if (!makeGroup(folder, isolator)) assertUnused(folder, isolator);
      if (ofEveryGroup.includes(controller) || controllersOf(folder).includes(controller)) return;
      for (const ancestor of this.#ours(path)) await enableBelow(ancestor, controller, isolator);
    } catch (error) {
      throw toGantryError(error, `${isolator}: making the control group ${folder}`);
    }
  }

  /** All share a folder, and its parent has to hand the controllers on. */
  making(): undefined {
    return undefined;
  }

  /** Whichever isolator cleans up first removes the folder for all. */
  async remove(_controller: Controller, path: string): Promise<void> {
    await removeGroup(join(this.#mount, path), killGroup);
  }

  async removeParent(_controller: Controller, parent: string): Promise<void> {
    await removeParentIfEmpty(join(this.#mount, parent));
  }

  freeze(path: string, frozen: boolean, isolator: string, options: Pick<CallOptions, 'signal'> = {}): Promise<boolean> {
    const patience = new Patience(`${isolator}: ${frozen ? 'freezing' : 'thawing'} ${path}`, options);
    return freezeGroup(join(this.#mount, path), frozen, patience);
  }

  async signal(path: string, signal: number): Promise<boolean> {
    const folder = join(this.#mount, path);
    if ((await readIfThere(join(folder, 'cgroup.procs'))) === undefined) return false;
    await (signal === sigkill ? killGroup(folder) : signalProcesses(folder, signal));
    return true;
  }

  async *list(_controller: Controller, parent: string): AsyncIterable<string> {
    yield* await childGroups(join(this.#mount, parent));
  }

  /**
   * The groups in which controllers may be switched on for a container: the parent of all, which is ours, and the one in which that
   * is, which whoever chose the parent has delegated to us. What is above belongs to others.
   */
  #ours(path: string): string[] {
    const parent = dirname(path);
    return [join(this.#mount, dirname(parent)), join(this.#mount, parent)];
  }
}

/**
 * Switches a controller on for the children of a group, and with it the others that we use: cpu alone would turn a
 * group that has processes into a threaded one, in which memory can then not be had and nobody sees why.
 */
async function enableBelow(folder: string, controller: Controller, isolator: string): Promise<void> {
  const file = join(folder, 'cgroup.subtree_control');
  try {
    if (hasWord(await readFile(file, 'latin1'), controller)) return;
    const offered = await readFile(join(folder, 'cgroup.controllers'), 'latin1');
    const wanted = [...new Set([...ordinary.filter((name) => hasWord(offered, name)), controller])];
    await writeFile(file, wanted.map((name) => `+${name}`).join(' '), { flag: constants.O_WRONLY });
  } catch (cause) {
    const errno = errnoOf(cause);
    const remedies = new Map([
      ['EBUSY', `move the processes in ${folder} into a group below it: with controllers on, only leaves may have any`],
      [
        'ENOENT',
        `have it switched on above ${folder}, as systemd does with Delegate=yes: a v1 hierarchy may hold it, or the kernel lack it`,
      ],
      ['EOPNOTSUPP', 'use a control-group parent that is not threaded'],
    ]);
    throw refused(
      isolator,
      `the controller ${controller} could not be switched on in ${file} (${errno ?? String(cause)})`,
      remedies.get(errno ?? '') ?? 'let the host program write there: run it as root, with the tree mounted read-write',
      { cause, details: { path: file, errno } },
    );
  }
}

/** Since Linux 5.14 a whole group can be killed at once; before, each process is. */
async function killGroup(folder: string): Promise<void> {
  const file = join(folder, 'cgroup.kill');
  try {
    await writeFile(file, '1', { flag: constants.O_WRONLY });
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw toGantryError(error, `killing the processes in ${folder}`);
    await killProcesses(folder);
  }
}

/** Whether anything runs, or has run, in the group: its counters would be taken for the new container's. */
function assertUnused(folder: string, isolator: string): void {
  const populated = !readFileSync(join(folder, 'cgroup.events'), 'latin1').includes('populated 0');
  if (populated || !/^usage_usec 0$/m.test(readFileSync(join(folder, 'cpu.stat'), 'latin1'))) {
    throw refused(isolator, `the control group ${folder} is left from an earlier container`, 'destroy that first', {
      details: { path: folder },
    });
  }
}

function controllersOf(folder: string): string[] {
  return readFileSync(join(folder, 'cgroup.controllers'), 'latin1').trim().split(' ');
}

function hasWord(text: string, word: string): boolean {
  return text.trim().split(' ').includes(word);
}
