import { randomBytes } from 'node:crypto';
import { sha256 } from '@gantry/image-spec';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startRegistry, type TestRegistry } from '../src/index.js';
import { call } from './http.js';

const bytes = randomBytes(100_000);
const path = `/v2/a/blobs/${sha256(bytes)}`;
const match = { path: /\/blobs\// };

let registry: TestRegistry;
beforeEach(async () => {
  registry = await startRegistry();
  await registry.addBlob('a', bytes);
});
afterEach(() => registry.close());

it('answers with a status and when to come again', async () => {
  registry.fault(match, { type: 'status', status: 429, retryAfter: 7 });
  const answer = await call(registry, path);
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '7']);
  expect((await call(registry, '/v2/')).status).toBe(200);
  expect(registry.requests.map(({ status }) => status)).toEqual([429, 200]);
});

it('befalls as many requests as it should, after those that pass', async () => {
  const fault = registry.fault({ ...match, after: 1, times: 2 }, { type: 'status', status: 503 });
  const statuses = [];
  for (let count = 0; count < 5; count += 1) statuses.push((await call(registry, path)).status);
  expect(statuses).toEqual([200, 503, 503, 200, 200]);
  expect(fault.hits).toBe(2);
});

it('befalls the method and the path that it names, until it is removed', async () => {
  const fault = registry.fault({ method: 'head', path }, { type: 'status', status: 500 });
  registry.fault({ path: '/v2' }, { type: 'status', status: 502 });
  expect((await call(registry, path)).status).toBe(200);
  expect((await call(registry, path, { method: 'HEAD' })).status).toBe(500);
  expect((await call(registry, '/v2/')).status).toBe(200);
  fault.remove();
  expect((await call(registry, path, { method: 'HEAD' })).status).toBe(200);
});

it('redirects', async () => {
  registry.fault(match, { type: 'redirect', location: 'http://127.0.0.1:1/x', status: 302 });
  const answer = await call(registry, path);
  expect([answer.status, answer.headers.get('location')]).toEqual([302, 'http://127.0.0.1:1/x']);
});

it('resets the connection after so many bytes', async () => {
  registry.fault(match, { type: 'reset', afterBytes: 1234 });
  const answer = await call(registry, path);
  expect(answer).toMatchObject({ status: 200, complete: false, broken: 'ECONNRESET' });
  expect(answer.headers.get('content-length')).toBe('100000');
  expect(answer.body.equals(bytes.subarray(0, 1234))).toBe(true);
});

it('resets the connection before a request is handled', async () => {
  registry.fault({ method: 'POST' }, { type: 'reset' });
  await expect(call(registry, '/v2/a/blobs/uploads/', { method: 'POST' })).rejects.toMatchObject({
    code: 'ECONNRESET',
  });
  expect(registry.requests).toMatchObject([{ method: 'POST', status: undefined }]);
});

it('stalls after so many bytes, until somebody gives up', async () => {
  registry.fault(match, { type: 'stall', afterBytes: 10 });
  const patience = new AbortController();
  const answer = await fetch(`http://${registry.address}${path}`, { signal: patience.signal });
  const reader = answer.body?.getReader();
  expect((await reader?.read())?.value).toEqual(new Uint8Array(bytes.subarray(0, 10)));
  const more = expect(reader?.read()).rejects.toMatchObject({ name: 'AbortError' });
  patience.abort();
  await more;
});

it('closes although an answer stalls', async () => {
  registry.fault(match, { type: 'stall' });
  const answer = call(registry, path);
  const broken = expect(answer).rejects.toMatchObject({ code: 'ECONNRESET' });
  await expect.poll(() => registry.requests.length).toBe(1);
  await registry.close();
  await broken;
});

it('drips', async () => {
  await registry.addBlob('a', Buffer.from('slow'));
  registry.fault(match, { type: 'drip', bytes: 1, intervalMs: 50 });
  const start = performance.now();
  const answer = await call(registry, `/v2/a/blobs/${sha256(Buffer.from('slow'))}`);
  expect(answer.body.toString()).toBe('slow');
  expect(performance.now() - start).toBeGreaterThan(140);
});

it('sends content of the right length and the wrong digest', async () => {
  registry.fault(match, { type: 'wrong-digest' });
  const { body, complete } = await call(registry, path);
  expect([body.length, complete, body.equals(bytes)]).toEqual([bytes.length, true, false]);
  expect(sha256((await call(registry, '/v2/')).body)).toBe(sha256(Buffer.from('{}')));
});

it.each([
  ['short' as const, 100_000 - 3],
  ['long' as const, 100_000 + 3],
])('sends a body that is too %s, and says so', async (type, length) => {
  registry.fault(match, { type, by: 3 });
  const { body, complete, headers } = await call(registry, path);
  expect([body.length, complete, headers.get('content-length')]).toEqual([length, true, String(length)]);
  expect(body.subarray(0, 99_997).equals(bytes.subarray(0, 99_997))).toBe(true);
});

it('ignores a range', async () => {
  registry.fault(match, { type: 'ignore-range' });
  const answer = await call(registry, path, { headers: { range: 'bytes=10-' } });
  expect([answer.status, answer.body.length]).toEqual([200, 100_000]);
});

it('sends another range than was asked for', async () => {
  registry.fault(match, { type: 'wrong-range' });
  const answer = await call(registry, path, { headers: { range: 'bytes=50000-' } });
  expect([answer.status, answer.headers.get('content-range')]).toEqual([206, 'bytes 0-49999/100000']);
  expect(answer.body.equals(bytes.subarray(0, 50_000))).toBe(true);
});

it('tells lies in the head', async () => {
  registry.fault(match, { type: 'headers', headers: { 'Docker-Content-Digest': 'sha256:lie' } });
  const answer = await call(registry, path);
  expect(answer.headers.get('docker-content-digest')).toBe('sha256:lie');
  expect(answer.body.equals(bytes)).toBe(true);
});
