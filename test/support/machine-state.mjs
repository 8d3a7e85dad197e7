import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from './eventually.mjs';
import { othersProcesses, processStates } from './processes.mjs';

/** @import { ProcessState } from './processes.mjs' */

/**
 * What a container can leave behind, as sets of identities: equal counts may hide a swap, equal identities do not.
 *
 * @typedef {object} MachineState
 * @property {ReadonlySet<string>} mounts `id point`, of the mount namespace of the test.
 * @property {ReadonlySet<string>} cgroups Folders of all control-group trees.
 * @property {ReadonlySet<string>} interfaces `index name` of the network interfaces.
 * @property {readonly ProcessState[]} processes
 */

/**
 * Takes down the mounts, control groups, network interfaces, processes and (by these) namespaces of this machine.
 *
 * @returns {Promise<MachineState>}
 */
export async function machineState() {
  return {
    mounts: await mounts(),
    cgroups: new Set(await cgroups('/sys/fs/cgroup')),
    interfaces: await interfaces(),
    processes: await processStates(),
  };
}

/**
 * Fails unless the machine is, within 10 seconds, as it was: nothing more of ours, nothing less of anybody's.
 *
 * @param {MachineState} before
 */
export async function expectUnchanged(before) {
  const differences = await eventually(
    async () => compareStates(before, await machineState()),
    (found) => found.length === 0,
  );
  if (differences.length > 0) throw new Error(`left behind or taken away:\n${differences.join('\n')}`);
}

/**
 * One line a difference.
 *
 * @param {MachineState} before
 * @param {MachineState} after
 */
export function compareStates(before, after) {
  const others = othersProcesses(before.processes, after.processes);
  const ours = { ...after, processes: after.processes.filter((one) => !others.has(one.key)) };
  return [
    ...added('mount', before.mounts, ours.mounts),
    ...added('mount gone:', ours.mounts, before.mounts),
    ...added('cgroup', before.cgroups, ours.cgroups).filter(isLasting),
    ...added('cgroup gone:', ours.cgroups, before.cgroups).filter(isLasting),
    ...added('interface', before.interfaces, ours.interfaces),
    ...added('interface gone:', ours.interfaces, before.interfaces),
    ...added('process', names(before.processes), names(ours.processes)),
    ...added('namespace', namespaces(before), namespaces(ours)),
  ];
}

/**
 * @param {string} what
 * @param {ReadonlySet<string>} before
 * @param {ReadonlySet<string>} after
 */
function added(what, before, after) {
  return [...after].filter((one) => !before.has(one)).map((one) => `${what} ${one}`);
}

/** @param {readonly ProcessState[]} processes */
function names(processes) {
  return new Set(processes.map(({ key }) => key));
}

/** @param {MachineState} state */
function namespaces({ processes }) {
  return new Set(processes.flatMap((one) => one.namespaces));
}

/**
 * Ours wherever they are, and anybody's directly below the root of a tree. Below a group of theirs, others make and remove
 * groups at any time, as a service manager does for its services.
 *
 * @param {string} difference
 */
function isLasting(difference) {
  return difference.includes('gantry') || /\/sys\/fs\/cgroup\/(?:[^/]+\/)?[^/]+$/.test(difference);
}

/** @returns {Promise<Set<string>>} */
async function mounts() {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).trimEnd().split('\n');
  return new Set(lines.map((line) => line.split(' ')).map(([id, , , , point]) => `${id} ${point}`));
}

/**
 * @param {string} folder
 * @returns {Promise<string[]>}
 */
async function cgroups(folder) {
  // A group may go away while it is read.
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  const below = await Promise.all(folders.map((path) => cgroups(path)));
  return [...folders, ...below.flat()];
}

/** @returns {Promise<Set<string>>} */
async function interfaces() {
  const names = await readdir('/sys/class/net');
  const indexes = await Promise.all(
    names.map((name) => readFile(`/sys/class/net/${name}/ifindex`, 'utf8').catch(() => '')),
  );
  return new Set(names.map((name, at) => `${indexes[at]?.trim()} ${name}`));
}
