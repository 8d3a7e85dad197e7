/**
 * `npm run test:crash -- [--trials 3000] [--seed 1] [--first 0] [--only N] [--seconds N]`: crashes host programs and shims, tells each
 * trial that broke a rule and how to repeat it, and ends with counts by point; with status 1 if a rule was broken. Needs root.
 */
import { fileURLToPath } from 'node:url';
import { runSecluded } from './seclusion.mjs';

const trials = fileURLToPath(new URL('./trials.mjs', import.meta.url));
process.exitCode = await runSecluded([process.execPath, trials, ...process.argv.slice(2)]);
