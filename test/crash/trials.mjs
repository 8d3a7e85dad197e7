// The program that index.mjs runs: all trials, one after the other.
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
const progressEvery = 100;
const folder = mkdtempSync(join(tmpdir(), 'gantry-crash-'));
try {
  const { points, failures } = await crash({
    folder,
    seed,
    first: Number(values.only ?? values.first),
    count: values.only === undefined ? Number(values.trials) : 1,
    seconds: Number(values.seconds),
    onTrial: (number, point, faults) => {
      if (faults.length > 0)
        console.log(`trial ${number} (${point}), repeat with --seed ${seed} --only ${number}: ${faults.join(' | ')}`);
      if ((number + 1) % progressEvery === 0) console.log(`trial ${number} is over`);
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
