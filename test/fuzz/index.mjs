/**
 * `node test/fuzz/index.mjs [--seconds 60] [--seed 1] [--first 0] [--count N]`: fuzzes, and ends with 1 and the input in base64 if a
 * rule was broken. `--first` and `--count 1` with the same seed repeat one trial.
 */
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.mjs';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    count: { type: 'string', default: String(2 ** 31) },
  },
});
const [seconds, seed, first, count] = [values.seconds, values.seed, values.first, values.count].map(Number);
const { verdicts, failure } = await fuzz({
  seed: seed ?? 1,
  onMinute: (trials) => console.error(`${trials} trials so far`),
  ...(seconds && { seconds }),
  ...(first && { first }),
  ...(count && { count }),
});

let total = 0;
for (const [verdict, times] of [...verdicts].sort()) {
  console.log(`${String(times).padStart(8)}  ${verdict}`);
  total += times;
}
console.log(`${total} trials, seed ${seed}`);
if (failure) {
  console.error(`trial ${failure.number} (${failure.target}) of seed ${seed}: ${failure.message}\n${failure.bytes}`);
  process.exitCode = 1;
}
