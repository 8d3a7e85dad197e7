import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeGroup } from '../support/control-groups.mjs';

/**
 * A tree of control groups as it is mounted here.
 *
 * @typedef {object} Tree
 * @property {'cgroup' | 'cgroup2'} type
 * @property {string} point
 * @property {string} options Of version 1: its subsystems, or its name.
 */

/**
 * Joins the groups of the arguments up to `--` and makes them the roots of a cgroup namespace. Who is to use the controllers of
 * version 2 may not be in its root itself.
 */
const enter = `set -e
groups=$1; programs=$2; inside=$3; shift 3
for group in $groups; do echo 0 > "$group/cgroup.procs"; done
exec unshare --cgroup sh -c '
  [ -z "$1" ] || echo 0 > "$1/cgroup.procs"
  inside=$2; shift 2
  exec unshare --mount --propagation private --pid --net --ipc --uts --fork --kill-child --mount-proc sh -c "$inside" sh "$@"
' sh "$programs" "$inside" "$@"`;

/** The first process of the pid namespace; it reaps what is orphaned, as a shell does that waits. */
const firstProcess = `"$@" & wait $!`;

/**
 * Runs a program where nobody else's processes, mounts, control groups and network interfaces come and go: in namespaces of its
 * own, below control groups of its own. What it leaves running ends with it. Where that is not permitted it runs in the open, and
 * that is told.
 *
 * @param {readonly [string, ...string[]]} command
 * @returns {Promise<number>} Its exit status.
 */
export async function runSecluded(command) {
  const name = `gantry-secluded-${process.pid}`;
  /** @type {string[]} */
  const groups = [];
  try {
    const trees = cgroupTrees();
    for (const tree of trees) groups.push(makeGroup(tree, name));
    if (!isHybrid(trees)) for (const { point } of trees) handOnControllers(point);
    const programs = makeProgramsGroup(trees, groups);
    const secluded = ['-c', enter, 'sh', groups.join(' '), programs, `${mountsOf(trees)}\n${firstProcess}`];
    const status = await run('sh', [...secluded, 'true']);
    if (status === 0) return await run('sh', [...secluded, ...command]);
    throw new Error(`unshare(1) or mount(8) ended with ${status}`);
  } catch (error) {
    console.error('not secluded, so that other work on this machine can be mistaken for ours:', error);
  } finally {
    for (const group of groups) await removeGroup(group);
  }
  const [program, ...args] = command;
  return run(program, args);
}

/** @returns {Tree[]} */
function cgroupTrees() {
  // proc_pid_mountinfo(5): the point is field 5, and behind the dash are type, source and the options of the file system.
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
  return lines.flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ');
    const [type, , options = ''] = right.split(' ');
    const [, , , root, point = ''] = left.split(' ');
    if ((type !== 'cgroup' && type !== 'cgroup2') || root !== '/' || !point.startsWith('/sys/fs/cgroup')) return [];
    const lasting = options.split(',').filter((option) => !/^(rw|xattr|clone_children|release_agent=.*)$/.test(option));
    return [{ type, point, options: lasting.join(',') }];
  });
}

/** Whether controllers are those of version 1. @param {readonly Tree[]} trees */
const isHybrid = (trees) => trees.some(({ type }) => type === 'cgroup');

/** Has groups below a root of version 2 have its controllers. @param {string} point */
function handOnControllers(point) {
  const controllers = readFileSync(join(point, 'cgroup.controllers'), 'utf8').trim().split(' ');
  for (const controller of controllers) writeFileSync(join(point, 'cgroup.subtree_control'), `+${controller}`);
}

/** @param {Tree} tree @param {string} name */
function makeGroup({ type, point, options }, name) {
  const group = join(point, name);
  mkdirSync(group);
  if (type === 'cgroup' && options.split(',').includes('cpuset')) {
    // Else nobody may be in it.
    for (const file of ['cpuset.cpus', 'cpuset.mems'])
      writeFileSync(join(group, file), readFileSync(join(point, file)));
    writeFileSync(join(group, 'cgroup.clone_children'), '1');
  }
  return group;
}

/** @param {readonly Tree[]} trees @param {readonly string[]} groups */
function makeProgramsGroup(trees, groups) {
  const root = groups[trees.findIndex(({ type }) => type === 'cgroup2')];
  if (root === undefined) return '';
  const programs = join(root, 'programs');
  mkdirSync(programs);
  return programs;
}

/** Commands of a shell that lay these trees, as the cgroup namespace shows them, over the machine's. @param {readonly Tree[]} trees */
function mountsOf(trees) {
  return [
    'set -e',
    'mount -t sysfs sysfs /sys',
    ...(isHybrid(trees) ? ['mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup'] : []),
    ...trees.map(
      ({ type, point, options }) => `mkdir -p ${point}; mount -t ${type} -o ${options || 'rw'} ${type} ${point}`,
    ),
    'ip link set lo up',
  ].join('\n');
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 */
async function run(program, args) {
  // It ends with this process, also when that is killed.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, ...args], { stdio: 'inherit' });
  const end = () => void child.kill('SIGKILL');
  process.on('SIGINT', end).on('SIGTERM', end);
  const [status] = await once(child, 'exit');
  process.off('SIGINT', end).off('SIGTERM', end);
  return typeof status === 'number' ? status : 1;
}
