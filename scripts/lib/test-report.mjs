/**
 * What a group of tests came to.
 * @typedef {object} TestReport
 * @property {number} passed
 * @property {readonly string[]} failed Names, each with what it failed with, where that is known.
 * @property {readonly SkippedTests[]} skipped
 */

/**
 * @typedef {object} SkippedTests
 * @property {string} name Of the outermost suite that is skipped as a whole, else of the test. Says why, unless there is a reason.
 * @property {number} tests How many.
 * @property {string} [reason]
 */

/** Names the file to which the reporter writes the report as JSON; `-` has it print the report as one marked line. */
export const reportVariable = 'GANTRY_TEST_REPORT';

const mark = '@@gantry-test-report ';

/** @param {TestReport} report */
export const markedLine = (report) => `${mark}${JSON.stringify(report)}`;

/**
 * The report in a marked line; undefined if the line is another, or came to harm on its way over a console.
 * @param {string} line
 * @returns {TestReport | undefined}
 */
export function readMarkedLine(line) {
  const start = line.indexOf(mark);
  if (start < 0) return undefined;
  try {
    return JSON.parse(line.slice(start + mark.length));
  } catch {
    return undefined;
  }
}

/**
 * What a run came to, given its report, if there is one, and its exit status: a run that breaks has failed.
 * @param {TestReport | undefined} report
 * @param {number} status
 * @returns {TestReport}
 */
export function settle(report, status) {
  if (!report) return { passed: 0, failed: [`ended with status ${status} before any result`], skipped: [] };
  if (status === 0 || report.failed.length > 0) return report;
  return { ...report, failed: [`ended with status ${status}, though no test failed`] };
}
