import { describe, expect, it } from 'vitest';
import { completeCheck, type HealthCheck } from '../src/health/check.js';

describe('a health check', () => {
  it('has times of its own where none are given', () => {
    const check = { type: 'command', command: ['true'] } as const;
    expect(completeCheck(check)).toEqual({
      ...check,
      ...{ delayMs: 0, intervalMs: 10_000, timeoutMs: 1000, gracePeriodMs: 0, failures: 3, successes: 1 },
    });
    const times = { delayMs: 1, intervalMs: 2, timeoutMs: 3, gracePeriodMs: 4, failures: 5, successes: 6 };
    const http = { type: 'http', port: 80, path: '/a?b', headers: { A: 'b' }, expect: { from: 200, to: 204 } } as const;
    expect(completeCheck({ ...http, ...times })).toEqual({ ...http, ...times });
  });

  it.each([
    [{ type: 'ping' }, 'check.type'],
    [undefined, 'check.type'],
    [{ type: 'command', command: [] }, 'check.command'],
    [{ type: 'command', command: 'true' }, 'check.command'],
    [{ type: 'command' }, 'check.command'],
    [{ type: 'command', command: ['true'], port: 80 }, 'check.port'],
    [{ type: 'tcp', port: 0 }, 'check.port'],
    [{ type: 'tcp', port: 65536 }, 'check.port'],
    [{ type: 'tcp', port: 80, intervalMs: 0 }, 'check.intervalMs'],
    [{ type: 'tcp', port: 80, delayMs: 2 ** 31 }, 'check.delayMs'],
    [{ type: 'tcp', port: 80, failures: 0.5 }, 'check.failures'],
    [{ type: 'http', port: 80, path: 'relative' }, 'check.path'],
    [{ type: 'http', port: 80, path: '/a b' }, 'check.path'],
    [{ type: 'http', port: 80, path: '/\r\nX: y' }, 'check.path'],
    [{ type: 'http', port: 80, headers: { 'A b': '' } }, "check.headers name 'A b'"],
    [{ type: 'http', port: 80, headers: { A: 'b\r\nX: y' } }, 'check.headers.A'],
    [{ type: 'http', port: 80, headers: { A: '€' } }, 'check.headers.A'],
    [{ type: 'http', port: 80, expect: { from: 200 } }, 'check.expect.to'],
    [{ type: 'http', port: 80, expect: { from: 1, to: 2 } }, 'check.expect.from'],
  ])('%j is refused for %s', (check, field) => {
    expect(() => completeCheck(check as HealthCheck)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field } }),
    );
  });
});
