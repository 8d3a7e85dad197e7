import { Random } from '../fuzz/random.mjs';

/**
 * Where a trial is struck:
 * - `step`: the host program kills itself when so many steps of launches are over;
 * - `time`: so many milliseconds after its start somebody is killed;
 * - `call`: whoever makes the n-th such system call, host program, shim or container, is killed before it is carried out;
 * - `error`: the n-th such system call of each of them, or that and all later ones, fails;
 * - `end`: nothing happens to it until it is done.
 *
 * @typedef {{ type: 'step', nth: number, shims: boolean }
 *   | { type: 'time', milliseconds: number, victims: 'host' | 'shims' | 'both' }
 *   | { type: 'call', call: string, nth: number }
 *   | { type: 'error', call: string, error: string, nth: number, onwards: boolean }
 *   | { type: 'end' }} Point
 */

/** @typedef {{ id: string, kind: 'lasting' | 'image' | 'brief' | 'chatty' | 'family' | 'absent' }} PlannedContainer */

/** @typedef {{ op: 'kill' | 'stop' | 'destroy' | 'remove' | 'exec' | 'usage' | 'launch', id: string }} Action */

/**
 * One trial, all of it made of the seed and its number.
 *
 * @typedef {object} Trial
 * @property {number} number
 * @property {Point} point
 * @property {readonly PlannedContainer[]} containers
 * @property {boolean} atOnce whether they are launched at once or one after the other
 * @property {readonly Action[]} actions what the host program does then
 * @property {boolean} closes whether a host program that lives to the end closes, or is killed there
 * @property {{ milliseconds: number, actions: readonly Action[] }} [again] a second host program that takes up what the
 *   first has left, does this, and is killed so many milliseconds after its start
 */

const kinds = /** @type {const} */ (['lasting', 'lasting', 'image', 'image', 'brief', 'chatty', 'family', 'absent']);
const ops = /** @type {const} */ (['kill', 'stop', 'destroy', 'remove', 'exec', 'usage', 'launch']);

/** System calls that make, change or remove something, each with about how many of them one process makes. */
const calls = new Map([
  ['rename', 8],
  ['link', 4],
  ['unlink', 12],
  ['mkdir', 16],
  ['rmdir', 12],
  ['fsync', 5],
  ['openat', 40],
  ['openat2', 50],
  ['mkdirat', 6],
  ['symlinkat', 6],
  ['mknodat', 6],
  ['clone', 3],
  ['clone3', 2],
  ['execve', 2],
  ['fsopen', 8],
  ['fsmount', 8],
  ['open_tree', 10],
  ['move_mount', 16],
  ['mount_setattr', 6],
  ['umount2', 2],
  ['pivot_root', 1],
  ['setsid', 2],
  ['bind', 2],
  ['listen', 1],
  ['sendto', 10],
  ['write', 20],
  ['socketpair', 4],
]);

/** Calls that may fail, with how: what a full or broken disk, a full table or a lack of memory says. */
const errors = /** @type {const} */ ([
  ['fsync', 'EIO', 5],
  ['rename', 'ENOSPC', 8],
  ['rename', 'EIO', 8],
  ['link', 'ENOSPC', 4],
  ['mkdir', 'ENOSPC', 16],
  ['mkdir', 'EMFILE', 16],
  ['openat', 'EMFILE', 40],
  ['openat', 'ENFILE', 40],
  ['openat', 'EIO', 40],
  ['openat2', 'EMFILE', 50],
  ['rmdir', 'EBUSY', 12],
  ['unlink', 'EIO', 12],
  ['clone', 'EAGAIN', 3],
  ['clone3', 'EAGAIN', 2],
  ['fsopen', 'ENOMEM', 8],
  ['fsmount', 'ENFILE', 8],
  ['move_mount', 'ENOMEM', 16],
  ['open_tree', 'EMFILE', 10],
  ['pipe2', 'EMFILE', 4],
  ['socketpair', 'ENFILE', 4],
  ['getdents64', 'EIO', 20],
  ['pidfd_open', 'EMFILE', 3],
]);

/**
 * @param {number} seed
 * @param {number} number
 * @returns {Trial}
 */
export function makeTrial(seed, number) {
  const random = new Random(seed * 1_000_003 + number);
  const containers = Array.from({ length: 1 + random.below(3) }, (_, at) => ({
    id: `crash-${number}-${at}`,
    kind: random.pick(kinds),
  }));
  const makeActions = () =>
    Array.from({ length: random.below(6) }, () => ({ op: random.pick(ops), id: random.pick(containers).id }));
  return {
    number,
    point: makePoint(random),
    containers,
    atOnce: random.below(2) === 0,
    actions: makeActions(),
    closes: random.below(4) === 0,
    ...(random.below(4) === 0 ? { again: { milliseconds: random.below(60), actions: makeActions() } } : {}),
  };
}

/**
 * @param {Random} random
 * @returns {Point}
 */
function makePoint(random) {
  switch (random.below(4)) {
    case 0:
      return { type: 'step', nth: 1 + random.below(36), shims: random.below(4) === 0 };
    case 1: {
      const victims = random.pick(/** @type {const} */ (['host', 'shims', 'both']));
      return { type: 'time', milliseconds: random.below(120), victims };
    }
    case 2: {
      const [call, most] = random.pick([...calls]);
      return { type: 'call', call, nth: 1 + random.below(most) };
    }
    default: {
      const [call, error, most] = random.pick(errors);
      return { type: 'error', call, error, nth: 1 + random.below(most), onwards: random.below(3) === 0 };
    }
  }
}

/** A name for the kind of point, to count by. @param {Point} point */
export function nameOf(point) {
  switch (point.type) {
    case 'step':
      return `step, ${point.shims ? 'host and shims' : 'host'}`;
    case 'time':
      return `time, ${point.victims}`;
    case 'call':
      return `call ${point.call}`;
    case 'end':
      return 'end';
    default:
      return `error ${point.call} ${point.error}`;
  }
}
