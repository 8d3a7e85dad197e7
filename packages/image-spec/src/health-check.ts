import type { ImageHealthCheck } from '@gantry/interface';
import type { JsonFields } from './json/json-fields.js';
import { quote } from './quote.js';

const names = ['Test', 'Interval', 'Timeout', 'StartPeriod', 'Retries'] as const;
const nanosecondsPerMs = 1_000_000;

/** What runs the one line of `CMD-SHELL` where the image names no shell. */
const defaultShell: readonly string[] = ['/bin/sh', '-c'];

/** The health check of the `config` object of an image config. Docker's image specification 1.2, `Healthcheck`. */
export function readHealthCheck(run: JsonFields<'Healthcheck' | 'Shell'>): ImageHealthCheck | undefined {
  const check = run.object('Healthcheck', names);
  const [type, ...words] = check?.strings('Test') ?? [];
  // Empty: as the image below, whose check would be here.
  if (check === undefined || type === undefined || type === 'NONE') return undefined;
  if (words.length === 0 || words.some((word) => word.includes('\0'))) {
    throw check.invalid('Test', 'want a command without NUL characters after its type');
  }
  const shell = run.strings('Shell');
  return {
    command: commandOf(check, type, words, shell.length > 0 ? shell : defaultShell),
    ...durations(check),
    ...positive('retries', check.optionalSize('Retries')),
  };
}

function commandOf(
  check: JsonFields<(typeof names)[number]>,
  type: string,
  words: readonly string[],
  shell: readonly string[],
): readonly string[] {
  if (type === 'CMD') return words;
  if (type === 'CMD-SHELL' && words.length === 1) return [...shell, ...words];
  throw check.invalid('Test', `want NONE, CMD or CMD-SHELL with one line, not ${quote(type)}`);
}

function durations(check: JsonFields<(typeof names)[number]>) {
  return {
    ...positive('intervalMs', milliseconds(check.optionalSize('Interval'))),
    ...positive('timeoutMs', milliseconds(check.optionalSize('Timeout'))),
    ...positive('startPeriodMs', milliseconds(check.optionalSize('StartPeriod'))),
  };
}

function milliseconds(nanoseconds: number | undefined): number | undefined {
  return nanoseconds === undefined ? undefined : Math.ceil(nanoseconds / nanosecondsPerMs);
}

/** Nothing for zero, which stands for the host's own choice. */
function positive<K extends string>(name: K, value: number | undefined): { readonly [P in K]?: number } {
  return (value === undefined || value === 0 ? {} : { [name]: value }) as { readonly [P in K]?: number };
}

/** A health check as an image config has it, in `config.Healthcheck`. */
export function healthCheckFields(check: ImageHealthCheck): Readonly<Record<string, unknown>> {
  const { command, intervalMs, timeoutMs, startPeriodMs, retries } = check;
  const times = { Interval: intervalMs, Timeout: timeoutMs, StartPeriod: startPeriodMs };
  const given = Object.entries(times).filter(([, ms]) => ms !== undefined);
  return {
    Test: ['CMD', ...command],
    ...Object.fromEntries(given.map(([name, ms]) => [name, Number(ms) * nanosecondsPerMs])),
    ...(retries === undefined ? {} : { Retries: retries }),
  };
}
