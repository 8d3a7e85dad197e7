import { describe, expect, it } from 'vitest';
import { isCidr } from '../src/cidr.js';

describe('prefixes of addresses', () => {
  it.each([
    ...['10.0.0.0/8', '10.1.2.3', '10.1.2.3/32', '0.0.0.0/0', '192.168.128.0/17'],
    ...['::/0', 'fd00::/8', 'fe80::1', '2001:db8:1::/48', '::ffff:10.0.0.0/104', '1:2:3:4:5:6:7:8/128'],
  ])('%s is one', (text) => expect(isCidr(text)).toBe(true));

  it.each([
    ...['', '/', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/-1', '10.0.0.0/8/8', '10.0.0.1/8', '192.168.129.0/17'],
    ...['10.0.0/8', 'example.org', 'fd00::1/64', 'fe80::1%eth0', '::ffff:10.0.0.1/104', '::/129', '10.0.0.0/8 accept'],
  ])('%s is none', (text) => expect(isCidr(text)).toBe(false));
});
