import { availableParallelism, freemem } from 'node:os';
import { run } from './run.mjs';
import { joinReports, readMarkedLine, reportVariable, settle } from './test-report.mjs';
import { vitestCommand } from './vitest.mjs';

/** Which integration tests run a second time, in a virtual machine whose only control-group tree is version 2. */
const filters = [
  'test/launch',
  ...['block-io', 'control-groups', 'delegation', 'devices', 'hugepages', 'memory-events', 'network-classes'].map(
    (name) => `test/isolators/${name}.test.ts`,
  ),
  'test/rootless/delegation.test.ts',
  'test/security/landlock.test.ts',
  'test/volumes/private-users.test.ts',
  ...['listen-ports', 'plugins'].map((name) => `test/network/${name}.test.ts`),
  'test/disk/quota.test.ts',
  'test/crash/faults.test.ts',
];

/** What compiles other shims has nothing to do with control groups, and takes minutes. */
const left = ['--exclude=**/other-release.test.ts'];

/** Its processor is emulated. */
const patience = ['--testTimeout=600000', '--hookTimeout=900000'];

/** Its console is all that comes back: plain lines, the report among them. */
const environment = ['CI=true', 'NO_COLOR=1', `${reportVariable}=-`];

/** The status by which `test/machine/run` says that it cannot run here; its last line then says why. */
const cannotRun = 77;

/** What a machine takes of this one's memory: its own, and what the emulator translates. */
const machineMemory = 7 * 2 ** 30;

/**
 * Runs the tests in two machines at once, each with one half of the files, where there are processors and memory for both:
 * a machine seldom keeps more than one processor busy.
 * @returns {Promise<import('./test-report.mjs').TestReport>}
 */
export async function runMachineTests() {
  const machines = availableParallelism() >= 2 && freemem() >= 2 * machineMemory ? 2 : 1;
  const numbers = Array.from({ length: machines }, (_, index) => index + 1);
  return joinReports(await Promise.all(numbers.map((number) => runOneMachine(number, machines))));
}

/**
 * @param {number} number From 1.
 * @param {number} machines
 * @returns {Promise<import('./test-report.mjs').TestReport>}
 */
async function runOneMachine(number, machines) {
  /** @type {import('./test-report.mjs').TestReport | undefined} */
  let report;
  let lastLine = '';
  /** @param {string} line */
  const onLine = (line) => {
    const found = readMarkedLine(line);
    if (found) report = found;
    else console.log(machines > 1 ? `${number}| ${line}` : line);
    if (line.trim() !== '') lastLine = line.trim();
  };
  const args = [...patience, ...left, `--shard=${number}/${machines}`, ...filters];
  const command = ['env', ...environment, ...vitestCommand('integration', args)];
  const { status, output } = await run('test/machine/run', ['--', ...command], { onLine });
  if (output) console.log(output);
  if (status !== cannotRun) return settle(report, status);
  return { passed: 0, failed: [], skipped: [{ name: 'cgroup v2 machine', tests: 1, reason: lastLine }] };
}
