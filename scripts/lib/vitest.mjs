import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, tool } from './paths.mjs';
import { runInForeground } from './run.mjs';
import { reportVariable, settle } from './test-report.mjs';

const reporter = join(root, 'scripts/lib/vitest-reporter.mjs');

/**
 * The command that runs one of vitest's projects and reports it where the environment says.
 * @param {'unit' | 'integration'} project
 * @param {readonly string[]} args
 * @returns {string[]}
 */
export function vitestCommand(project, args) {
  // A forgotten `.only` must not make the rest vanish; a checkout that belongs to somebody else is not written to.
  const always = ['--passWithNoTests', '--allowOnly=false', '--configLoader=runner'];
  const reporters = ['--reporter=default', `--reporter=${reporter}`];
  return [tool('vitest'), 'run', '--project', project, ...always, ...reporters, ...args];
}

/**
 * Runs one of vitest's projects on this terminal.
 * @param {'unit' | 'integration'} project
 * @param {readonly string[]} filters
 * @returns {Promise<import('./test-report.mjs').TestReport>}
 */
export async function runVitest(project, filters) {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-test-'));
  const path = join(folder, 'report.json');
  try {
    const [command = '', ...args] = vitestCommand(project, filters);
    const status = await runInForeground(command, args, { [reportVariable]: path });
    return settle(readReport(path), status);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * @param {string} path
 * @returns {import('./test-report.mjs').TestReport | undefined}
 */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
