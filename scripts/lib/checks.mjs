import { availableParallelism } from 'node:os';
import { tool } from './paths.mjs';
import { run } from './run.mjs';
import { step } from './step.mjs';

/**
 * @typedef {object} Check
 * @property {string} name
 * @property {readonly [command: string, ...args: string[]]} command Silent, or at least successful, when all is well.
 */

/**
 * All that can be said of the code without running it; the slow ones first, so that they overlap best.
 * @type {readonly Check[]}
 */
const checks = [
  { name: 'promises', command: [tool('eslint'), '--max-warnings=0', '.'] },
  { name: 'api docs', command: [tool('typedoc'), '--emit', 'none'] },
  { name: 'types', command: [tool('tsc'), '-p', 'tsconfig.test.json'] },
  { name: 'code blocks', command: [process.execPath, 'scripts/checks/code-blocks.mjs'] },
  {
    name: 'imports',
    command: [tool('depcruise'), '--config', '.dependency-cruiser.mjs', 'native', 'packages', 'examples', 'test'],
  },
  { name: 'format, lint', command: [tool('biome'), 'check', '--error-on-warnings', '.'] },
  { name: 'protocol', command: [process.execPath, 'native/protocol/generate.mjs', '--check'] },
];

/**
 * Runs every check, as many at once as there are processors; a line each, and what a failed one wrote.
 * @returns {Promise<import('./test-report.mjs').TestReport>}
 */
export async function runChecks() {
  const waiting = [...checks];
  /** @type {string[]} */
  const failed = [];
  const worker = async () => {
    for (let check = waiting.shift(); check; check = waiting.shift()) {
      if (!(await passes(check))) failed.push(check.name);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return { passed: checks.length - failed.length, failed, skipped: [] };
}

/** @param {Check} check */
async function passes({ name, command: [command, ...args] }) {
  const { status, output } = await step(name, () => run(command, args, { env: { NO_COLOR: '1' } }));
  if (status !== 0) console.log(`${name} failed (status ${status}):\n${output}`);
  return status === 0;
}
