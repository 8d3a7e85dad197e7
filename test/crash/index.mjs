/**
 * `npm run test:crash -- [--trials 3000] [--seed 1] [--first 0] [--only N] [--seconds N]`: crashes host programs and shims, tells each
 * trial that broke a rule and how to repeat it, and ends with counts by point; with status 1 if a rule was broken. Needs root.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { crash } from './crash.mjs';

const { values } = parseArgs({
  options: {
    trials: { type: 'string', default: '3000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    only: { type: 'string' },
    seconds: { type: 'string', default: String(2 ** 31) },
  },
});
const seed = Number(values.seed);
const folder = mkdtempSync(join(tmpdir(), 'gantry-crash-'));
try {
  const { points, failures } = await crash({
    folder,
    seed,
    first: Number(values.only ?? values.first),
    count: values.only === undefined ? Number(values.trials) : 1,
    seconds: Number(values.seconds),
    onFailure: (number, point, faults) => {
      console.log(`trial ${number} (${point}), repeat with --seed ${seed} --only ${number}: ${faults.join(' | ')}`);
    },
  });
  let total = 0;
  console.log('  trials  reached   failed  point');
  for (const [point, { trials, reached, failed }] of [...points].sort()) {
    console.log(`${[trials, reached, failed].map((count) => String(count).padStart(8)).join(' ')}  ${point}`);
    total += trials;
  }
  console.log(`${total} trials, seed ${seed}, ${failures.length} failed`);
  process.exitCode = failures.length > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
