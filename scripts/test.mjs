// Sets up, checks and tests everything; the last line is the sum of it.
//   npm test                        everything that this machine and this user can run
//   npm test -- --no-machine        without the virtual machine
//   npm test -- --only unit         one group: check, unit, integration or machine
//   npm test -- spec.test           unit and integration tests of files whose path contains this
import { parseArgs } from 'node:util';
import { runChecks } from './lib/checks.mjs';
import { runMachineTests } from './lib/machine-tests.mjs';
import { main } from './lib/main.mjs';
import { ScriptError } from './lib/run.mjs';
import { setup } from './lib/setup.mjs';
import { installTestPackages } from './lib/test-packages.mjs';
import { printSummary } from './lib/test-summary.mjs';
import { runVitest } from './lib/vitest.mjs';

/** @typedef {import('./lib/test-report.mjs').TestReport} TestReport */

const { values, positionals: filters } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string' }, 'no-machine': { type: 'boolean', default: false } },
});

/** @type {ReadonlyMap<string, () => Promise<TestReport>>} */
const groups = new Map([
  ['check', runChecks],
  ['unit', () => runVitest('unit', filters)],
  ['integration', () => runVitest('integration', filters)],
  ['machine', runMachineTests],
]);

function wantedGroups() {
  if (values.only !== undefined) {
    if (!groups.has(values.only)) throw new ScriptError(`--only takes one of ${[...groups.keys()].join(', ')}`);
    return [values.only];
  }
  if (filters.length > 0) return ['unit', 'integration'];
  return [...groups.keys()].filter((name) => name !== 'machine' || !values['no-machine']);
}

/**
 * A group that breaks, or in which nothing runs though nothing was filtered out, has failed.
 * @param {string} name
 * @returns {Promise<TestReport>}
 */
async function runGroup(name) {
  console.log(`\n== ${name}`);
  try {
    const report = await groups.get(name)?.();
    if (report && (filters.length > 0 || report.passed + report.failed.length + report.skipped.length > 0))
      return report;
    return { passed: 0, failed: ['no test was found'], skipped: [] };
  } catch (error) {
    console.error(error);
    return { passed: 0, failed: [`broke: ${error}`], skipped: [] };
  }
}

await main(async () => {
  const wanted = wantedGroups();
  /** @type {Map<string, TestReport>} */
  const reports = new Map();
  try {
    await setup();
    await installTestPackages();
    for (const name of wanted) reports.set(name, await runGroup(name));
  } catch (error) {
    console.error(error instanceof ScriptError ? error.message : error);
    reports.set('setup', { passed: 0, failed: ['see above'], skipped: [] });
  }
  return printSummary(reports) ? 0 : 1;
});
