import { readdir, readFile, readlink } from 'node:fs/promises';

/**
 * @typedef {object} ProcessState
 * @property {number} pid
 * @property {number} parent
 * @property {number} session
 * @property {string} key `pid start-time command`: pids are given again, these are not.
 * @property {readonly string[]} namespaces `net:[4026531840]` and so on; empty where they may not be read.
 */

const kernelThread = 0x00200000;

/**
 * All processes but threads of the kernel, and zombies that a first process which reaps none was left with.
 *
 * @returns {Promise<ProcessState[]>}
 */
export async function processStates() {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const states = await Promise.all(pids.map(processState));
  return states.filter((state) => state !== undefined);
}

/**
 * @param {string} pid
 * @returns {Promise<ProcessState | undefined>}
 */
async function processState(pid) {
  // It may end at any time: then it does not count.
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // proc_pid_stat(5): the command, in brackets, may hold brackets and spaces itself.
  const [, command = '', rest = ''] = /^\d+ (\(.*\)) (.*)$/s.exec(stat ?? '') ?? [];
  const fields = rest.split(' ');
  const [state, parent, , session] = fields;
  if (stat === undefined || (Number(fields[6]) & kernelThread) !== 0 || (state === 'Z' && parent === '1'))
    return undefined;
  return {
    pid: Number(pid),
    parent: Number(parent),
    session: Number(session),
    key: `${pid} ${fields[19]} ${command}`,
    namespaces: await processNamespaces(pid),
  };
}

/** @param {string} pid */
async function processNamespaces(pid) {
  const folder = `/proc/${pid}/ns`;
  const names = await readdir(folder).catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => '')));
  return links.filter((link) => link !== '');
}

/**
 * Keys of the new processes that cannot be ours. A process is in its parent's session or one it began itself, so whoever
 * is in a session that others began before, or descends from a process that others began before, was started by them. The
 * first process and our ancestors prove nothing: orphans go to them. Except the test runner, which is ours but not tested.
 *
 * @param {readonly ProcessState[]} before
 * @param {readonly ProcessState[]} after
 * @returns {Set<string>}
 */
export function othersProcesses(before, after) {
  const known = new Set(before.map(({ key }) => key));
  const byPid = new Map(after.map((process) => [process.pid, process]));
  const self = byPid.get(process.pid);
  const ancestors = new Set(lineage(byPid, self).map(({ pid }) => pid));
  const sessions = new Set(
    before.filter(({ session }) => session !== self?.session && session !== 0).map(({ session }) => session),
  );

  /** @param {ProcessState} candidate */
  const isOthers = (candidate) => {
    if (sessions.has(candidate.session)) return true;
    const elder = lineage(byPid, candidate)
      .slice(1)
      .find(({ pid, key }) => ancestors.has(pid) || known.has(key));
    if (elder === undefined || elder.pid === 1) return false;
    return ancestors.has(elder.pid) ? elder.pid === process.ppid : true;
  };
  return new Set(after.filter((one) => !known.has(one.key) && isOthers(one)).map(({ key }) => key));
}

/**
 * A process, its parent, and so on.
 *
 * @param {ReadonlyMap<number, ProcessState>} byPid
 * @param {ProcessState | undefined} start
 */
function lineage(byPid, start) {
  /** @type {ProcessState[]} */
  const line = [];
  for (let one = start; one && !line.includes(one); one = byPid.get(one.parent)) line.push(one);
  return line;
}
