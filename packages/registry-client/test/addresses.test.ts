import { describe, expect, it } from 'vitest';
import { reachOf } from '../src/addresses.js';

describe('reachOf', () => {
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.0.9', 'loopback'],
    ['0x7f.1', 'loopback'],
    ['[::1]', 'loopback'],
    ['[::ffff:127.0.0.1]', 'loopback'],
    ['localhost', 'loopback'],
    ['a.localhost', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['[fe80::1]', 'link-local'],
    ['[::ffff:169.254.169.254]', 'link-local'],
    ['0.0.0.0', 'link-local'],
    ['[::]', 'link-local'],
    ['255.255.255.255', 'link-local'],
    ['10.0.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'private'],
    ['[fd12::1]', 'private'],
    ['[64:ff9b::10.0.0.1]', 'private'],
    ['172.32.0.1', 'public'],
    ['8.8.8.8', 'public'],
    ['[2001:db8::1]', 'public'],
    ['localhost.example', 'public'],
    ['registry-1.docker.io', 'public'],
  ])('of %s is %s', (host, reach) => {
    expect(reachOf(new URL(`https://${host}/`).hostname)).toBe(reach);
  });
});
