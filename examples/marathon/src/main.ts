import { fileURLToPath } from 'node:url';
import { isGantryError, type ProgressEvent } from '@gantry/interface';
import { readApplication } from './application.js';
import { deploy } from './deploy.js';
import { report } from './report.js';

const say = (line: string) => process.stderr.write(`${line}\n`);
const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort(new Error(signal)));

function showProgress(event: ProgressEvent): void {
  const short = 'digest' in event ? event.digest.slice(7, 19) : '';
  if (event.type === 'resolving') say(`resolving ${event.reference}`);
  else if (event.type === 'resolved') say(`resolved ${event.digest} with ${event.layers.length} layers`);
  else if (event.type === 'fetched' && !event.cached)
    say(`fetched ${short}, ${(event.total / 2 ** 20).toFixed(1)} MiB`);
  else if (event.type === 'unpacked' && !event.cached) say(`unpacked ${short}`);
  else if (event.type === 'retrying') say(`${event.reason}; trying again in ${event.delayMs} ms`);
}

try {
  const app = await readApplication(process.argv[2] ?? fileURLToPath(new URL('../redis.json', import.meta.url)));
  const deployment = await deploy(app, {
    root: process.env['GANTRY_ROOT'] ?? '/var/lib/gantry',
    stateRoot: process.env['GANTRY_STATE_ROOT'] ?? '/run/gantry',
    say,
    onProgress: showProgress,
    signal: interrupt.signal,
  });
  process.stdout.write(report(app, deployment));
} catch (error) {
  say(
    `error: ${error instanceof Error ? error.message : String(error)}${isGantryError(error) ? ` [${error.code}]` : ''}`,
  );
  process.exitCode = 1;
}
