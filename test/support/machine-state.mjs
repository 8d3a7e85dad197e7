import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { eventually } from './eventually.js';
import { othersProcesses, type ProcessState, processStates } from './processes.js';

/** What a container can leave behind, as sets of identities: equal counts may hide a swap, equal identities do not. */
export interface MachineState {
  /** `id point`, of the mount namespace of the test. */
  readonly mounts: ReadonlySet<string>;
  /** Folders of all control-group trees. */
  readonly cgroups: ReadonlySet<string>;
  readonly processes: readonly ProcessState[];
}

/** Takes down the mounts, control groups, processes and (by these) namespaces of this machine. */
export async function machineState(): Promise<MachineState> {
  return {
    mounts: await mounts(),
    cgroups: new Set(await cgroups('/sys/fs/cgroup')),
    processes: await processStates(),
  };
}

/** Fails unless the machine is, within 10 seconds, as it was: nothing more of ours, nothing less of anybody's. */
export async function expectUnchanged(before: MachineState): Promise<void> {
  const differences = await eventually(
    async () => compareStates(before, await machineState()),
    (found) => found.length === 0,
  );
  expect(differences, 'left behind or taken away').toEqual([]);
}

/** One line a difference. */
export function compareStates(before: MachineState, after: MachineState): string[] {
  const others = othersProcesses(before.processes, after.processes);
  const ours = { ...after, processes: after.processes.filter((one) => !others.has(one.key)) };
  return [
    ...added('mount', before.mounts, ours.mounts),
    ...added('mount gone:', ours.mounts, before.mounts),
    ...added('cgroup', before.cgroups, ours.cgroups).filter(isLasting),
    ...added('cgroup gone:', ours.cgroups, before.cgroups).filter(isLasting),
    ...added('process', names(before.processes), names(ours.processes)),
    ...added('namespace', namespaces(before), namespaces(ours)),
  ];
}

function added(what: string, before: ReadonlySet<string>, after: ReadonlySet<string>): string[] {
  return [...after].filter((one) => !before.has(one)).map((one) => `${what} ${one}`);
}

function names(processes: readonly ProcessState[]): Set<string> {
  return new Set(processes.map(({ key }) => key));
}

function namespaces({ processes }: MachineState): Set<string> {
  return new Set(processes.flatMap((one) => one.namespaces));
}

/**
 * Ours wherever they are, and anybody's directly below the root of a tree. Below a group of theirs, others make and remove
 * groups at any time, as a service manager does for its services.
 */
function isLasting(difference: string): boolean {
  return difference.includes('gantry') || /\/sys\/fs\/cgroup\/(?:[^/]+\/)?[^/]+$/.test(difference);
}

async function mounts(): Promise<Set<string>> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).trimEnd().split('\n');
  return new Set(lines.map((line) => line.split(' ')).map(([id, , , , point]) => `${id} ${point}`));
}

async function cgroups(folder: string): Promise<string[]> {
  // A group may go away while it is read.
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  const below = await Promise.all(folders.map((path) => cgroups(path)));
  return [...folders, ...below.flat()];
}
