import { run } from './run.mjs';
import { readMarkedLine, reportVariable, settle } from './test-report.mjs';
import { vitestCommand } from './vitest.mjs';

/** Which integration tests run a second time, in a virtual machine whose only control-group tree is version 2. */
const filters = [
  'test/launch',
  // Limits, and leave to use devices, are of control groups.
  'test/isolators',
  ...['delegation', 'private-users'].map((name) => `test/rootless/${name}.test.ts`),
  // In `hostile`, containers see their control group, as they do on v2 alone.
  ...['hostile', 'keyring', 'landlock'].map((name) => `test/security/${name}.test.ts`),
  'test/volumes/private-users.test.ts',
  ...['listen-ports', 'plugins'].map((name) => `test/network/${name}.test.ts`),
  'test/disk/quota.test.ts',
  'test/crash/faults.test.ts',
];

/** What compiles other shims, or claims GPUs, has nothing to do with control groups, and takes minutes. */
const left = ['other-release', 'gpu-nvidia'].map((name) => `--exclude=**/${name}.test.ts`);

/** A process for each file: one for all stood still there once, with both processors busy. */
const apart = ['--isolate'];

/** Its processor is emulated. */
const patience = ['--testTimeout=600000', '--hookTimeout=900000'];

/** What all of them may take: half an hour where two processors do nothing else. */
const seconds = '3600';

/** Its console is all that comes back: plain lines, the report among them. */
const environment = ['CI=true', 'NO_COLOR=1', `${reportVariable}=-`];

/** The status by which `test/machine/run` says that it cannot run here; its last line then says why. */
const cannotRun = 77;

/**
 * Runs the tests in the machine.
 * @returns {Promise<import('./test-report.mjs').TestReport>}
 */
export async function runMachineTests() {
  /** @type {import('./test-report.mjs').TestReport | undefined} */
  let report;
  let lastLine = '';
  /** @param {string} line */
  const onLine = (line) => {
    const found = readMarkedLine(line);
    if (found) report = found;
    else console.log(line);
    if (line.trim() !== '') lastLine = line.trim();
  };
  const command = [
    'env',
    ...environment,
    ...vitestCommand('integration', [...apart, ...patience, ...left, ...filters]),
  ];
  const { status, output } = await run('test/machine/run', ['-t', seconds, '--', ...command], { onLine });
  if (output) console.log(output);
  if (status !== cannotRun) return settle(report, status);
  return { passed: 0, failed: [], skipped: [{ name: 'cgroup v2 machine', tests: 1, reason: lastLine }] };
}
