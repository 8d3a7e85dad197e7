import { describe, expect, it } from 'vitest';
import { createRegistryClient, type RegistryClientOptions } from '../src/index.js';

describe('createRegistryClient', () => {
  it.each<[string, RegistryClientOptions]>([
    ['retries.attempts', { retries: { attempts: 6 } }],
    ['retries.attempts', { retries: { attempts: 0 } }],
    ['retries.capMs', { retries: { capMs: 60_001 } }],
    ['timeouts.connectMs', { timeouts: { connectMs: 0 } }],
    ['timeouts.progressMs', { timeouts: { progressMs: Number.NaN } }],
    ['timeouts.totalMs', { timeouts: { totalMs: Number.POSITIVE_INFINITY } }],
    ['maxConcurrent', { maxConcurrent: 0 }],
    ['maxConcurrentPerHost', { maxConcurrentPerHost: 0 }],
    ['userAgent', { userAgent: 'a\r\nx: y' }],
    ['registry', { insecure: ['http://x'] }],
    ['registry', { credentials: new Map([['https://x/', {}]]) }],
  ])('refuses a wrong %s', (field, options) => {
    expect(() => createRegistryClient(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field } }),
    );
  });
});
