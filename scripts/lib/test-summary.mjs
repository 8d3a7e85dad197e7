/** @typedef {import('./test-report.mjs').TestReport} TestReport */

/**
 * Prints what each group came to, what was skipped and why, what failed, and the sum alone on the last line.
 * @param {ReadonlyMap<string, TestReport>} reports By group.
 * @returns {boolean} True if something passed and nothing failed.
 */
export function printSummary(reports) {
  console.log('\n== summary');
  for (const [group, report] of reports) console.log(`${group.padEnd(14)}${countsOf(report)}`);
  for (const [group, { skipped }] of reports) {
    for (const { name, tests, reason } of skipped) {
      console.log(`skipped  ${group}: ${name}${tests > 1 ? ` (${tests} tests)` : ''}${reason ? `: ${reason}` : ''}`);
    }
  }
  for (const [group, { failed }] of reports) {
    for (const name of failed) console.log(`FAILED   ${group}: ${name}`);
  }
  const total = sum([...reports.values()]);
  if (total.passed + total.failed.length === 0) console.log('nothing ran');
  console.log(countsOf(total));
  return total.failed.length === 0 && total.passed > 0;
}

/** @param {TestReport} report */
function countsOf({ passed, failed, skipped }) {
  const left = skipped.reduce((count, { tests }) => count + tests, 0);
  return `${passed} passed, ${failed.length} failed, ${left} skipped`;
}

/**
 * @param {readonly TestReport[]} reports
 * @returns {TestReport}
 */
function sum(reports) {
  return {
    passed: reports.reduce((count, { passed }) => count + passed, 0),
    failed: reports.flatMap(({ failed }) => failed),
    skipped: reports.flatMap(({ skipped }) => skipped),
  };
}
