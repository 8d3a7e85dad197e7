import { describe, expect, it } from 'vitest';
import { egressRuleset, loopbackRuleset } from '../src/network/egress-rules.js';

const rules = (...args: Parameters<typeof egressRuleset>) =>
  egressRuleset(...args)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.includes('daddr') && !line.includes('ff02::16'));

describe('the rules of an egress policy', () => {
  it('have a line a family and protocol, and ports in order, without overlap', () => {
    const ports = [443, { first: 80, last: 90 }, { first: 85, last: 100 }, 95, 101];
    expect(rules({ allow: [{ cidr: '10.0.0.0/8' }, { cidr: 'fd00::/8', protocol: 'tcp', ports }] }, [])).toEqual([
      'ip daddr 10.0.0.0/8 accept',
      'ip6 daddr fd00::/8 tcp dport { 80-101, 443 } accept',
    ]);
    expect(rules({ allow: [{ cidr: '10.0.0.1', ports: [1] }] }, [])).toEqual(
      ['tcp', 'udp', 'sctp'].map((protocol) => `ip daddr 10.0.0.1 ${protocol} dport { 1 } accept`),
    );
    expect(
      rules(
        {
          allow: [
            { cidr: '::/0', protocol: 'icmp' },
            { cidr: '0.0.0.0/0', protocol: 'udp' },
          ],
        },
        [],
      ),
    ).toEqual(['ip6 daddr ::/0 meta l4proto ipv6-icmp accept', 'ip daddr 0.0.0.0/0 meta l4proto udp accept']);
  });

  it('let answers pass, of what is only related to them errors, and what makes neighbours find the container', () => {
    const accepted = egressRuleset({ allow: [] }, [])
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line.endsWith('accept'));
    expect(accepted).toEqual([
      'oifname "lo" accept',
      'ct state established accept',
      'ct state related meta l4proto { icmp, ipv6-icmp } accept',
      'ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept',
      'ip6 daddr ff02::16 ip6 hoplimit 1 icmpv6 type mld2-listener-report accept',
    ]);
  });

  it('keep loopback addresses of both versions in, in whatever form', () => {
    const dropped = loopbackRuleset().match(/oifname != "lo" .* drop/g) ?? [];
    expect(dropped.join(' ')).toMatch(/127\.0\.0\.0\/8.*::1\/128.*::ffff:0\.0\.0\.0\/96/);
  });

  it('let the servers of names be asked only where the policy says so', () => {
    expect(rules({ allow: [] }, ['10.0.0.53'])).toEqual([]);
    expect(rules({ allow: [], dns: true }, ['10.0.0.53'])[1]).toBe('ip daddr 10.0.0.53 udp dport { 53 } accept');
  });
});
