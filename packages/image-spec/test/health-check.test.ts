import { isGantryError } from '@gantry/interface';
import { expect, it } from 'vitest';
import { healthCheckFields, parseImageConfig } from '../src/index.js';
import { dockerConfig, encode } from './documents.js';

function parse(config: object) {
  return parseImageConfig(encode({ ...dockerConfig, config })).config.healthCheck;
}

const second = 1_000_000_000;

it('reads a command, its times and how often it may fail', () => {
  const times = { Interval: 5 * second, Timeout: second / 2, StartPeriod: 1, Retries: 4 };
  expect(parse({ Healthcheck: { Test: ['CMD', 'redis-cli', 'ping'], ...times } })).toEqual({
    command: ['redis-cli', 'ping'],
    intervalMs: 5000,
    timeoutMs: 500,
    startPeriodMs: 1,
    retries: 4,
  });
});

it('has a line run by the shell of the image, else by /bin/sh', () => {
  const Healthcheck = { Test: ['CMD-SHELL', 'curl -f localhost || exit 1'] };
  expect(parse({ Healthcheck })).toEqual({ command: ['/bin/sh', '-c', 'curl -f localhost || exit 1'] });
  expect(parse({ Healthcheck, Shell: ['/bin/bash', '-ec'] })).toEqual({
    command: ['/bin/bash', '-ec', 'curl -f localhost || exit 1'],
  });
});

it.each([
  ['says nothing', {}],
  ['says that there is to be none', { Healthcheck: { Test: ['NONE'] } }],
  ['leaves it to the image below', { Healthcheck: { Test: [] } }],
])('finds none in an image that %s', (_, config) => {
  expect(parse(config)).toBeUndefined();
});

it('leaves to the host what is zero', () => {
  expect(parse({ Healthcheck: { Test: ['CMD', 'true'], Interval: 0, Timeout: 0, Retries: 0 } })).toEqual({
    command: ['true'],
  });
});

it.each([
  ['an unknown type', { Test: ['RUN', 'true'] }],
  ['a type without a command', { Test: ['CMD'] }],
  ['more than one line for a shell', { Test: ['CMD-SHELL', 'a', 'b'] }],
  ['a NUL', { Test: ['CMD', 'a\0b'] }],
  ['a time before now', { Test: ['CMD', 'true'], Interval: -1 }],
  ['no list', { Test: 'true' }],
])('refuses %s, with its path', (_, Healthcheck) => {
  let found: unknown;
  try {
    parse({ Healthcheck });
  } catch (error) {
    found = error;
  }
  expect(isGantryError(found, 'INVALID_DOCUMENT')).toBe(true);
  expect(String(found)).toContain('$.config.Healthcheck');
});

it('writes what it reads', () => {
  const check = { command: ['a', 'b'], intervalMs: 5, timeoutMs: 6, startPeriodMs: 7, retries: 8 };
  expect(parse({ Healthcheck: healthCheckFields(check) })).toEqual(check);
});
