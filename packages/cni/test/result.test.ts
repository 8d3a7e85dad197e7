import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatResult, parseResult, type Result, supportedVersions } from '../src/index.js';

const full: Result = {
  interfaces: [
    { name: 'cni0', mac: '00:11:22:33:44:55' },
    {
      name: 'eth0',
      mac: '99:88:77:66:55:44',
      mtu: 1500,
      sandbox: '/run/netns/blue',
      socketPath: '/s',
      pciID: '8086:9a01',
    },
  ],
  ips: [
    { address: '10.1.0.5/16', gateway: '10.1.0.1', interface: 1 },
    { address: 'fd00::5/64', interface: 1 },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '10.1.0.1', mtu: 1400, advmss: 1300, priority: 5, table: 7, scope: 0 },
    { dst: '::/0' },
  ],
  dns: { nameservers: ['10.1.0.1'], domain: 'a.example', search: ['b.example'], options: ['ndots:2'] },
};

describe('a result', () => {
  it('is told in 1.1.0 as it is', () => {
    expect(formatResult(full, '1.1.0')).toEqual({ cniVersion: '1.1.0', ...full });
    expect(parseResult(formatResult(full, '1.1.0'))).toEqual(full);
  });

  it('loses in 1.0.0 what came later', () => {
    expect(formatResult(full, '1.0.0')).toEqual({
      cniVersion: '1.0.0',
      interfaces: [
        { name: 'cni0', mac: '00:11:22:33:44:55' },
        { name: 'eth0', mac: '99:88:77:66:55:44', sandbox: '/run/netns/blue' },
      ],
      ips: full.ips,
      routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }, { dst: '::/0' }],
      dns: full.dns,
    });
  });

  it.each(['0.3.0', '0.3.1', '0.4.0'])('says in %s of which family an address is', (version) => {
    expect(formatResult(full, version)).toMatchObject({
      cniVersion: version,
      ips: [
        { version: '4', address: '10.1.0.5/16', gateway: '10.1.0.1', interface: 1 },
        { version: '6', address: 'fd00::5/64', interface: 1 },
      ],
    });
  });

  it.each(['0.1.0', '0.2.0'])('has in %s one address of each family, and no interfaces', (version) => {
    const told = formatResult(full, version);
    expect(told).toEqual({
      cniVersion: version,
      ip4: { ip: '10.1.0.5/16', gateway: '10.1.0.1', routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }] },
      ip6: { ip: 'fd00::5/64', routes: [{ dst: '::/0' }] },
      dns: full.dns,
    });
    expect(parseResult(told)).toEqual({
      ips: [{ address: '10.1.0.5/16', gateway: '10.1.0.1' }, { address: 'fd00::5/64' }],
      routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }, { dst: '::/0' }],
      dns: full.dns,
    });
  });

  it('cannot be told before 0.3.0 without an address', () => {
    expect(() => formatResult({ interfaces: full.interfaces ?? [] }, '0.2.0')).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED' }),
    );
  });

  it('takes null for absent, as Go writes it', () => {
    const none = { interfaces: null, ips: null, routes: null, dns: { nameservers: null } };
    expect(parseResult({ cniVersion: '1.0.0', ...none })).toEqual({ interfaces: [], ips: [], routes: [], dns: {} });
  });

  it('of an address plugin has no interfaces', () => {
    expect(parseResult({ cniVersion: '1.0.0', ips: [{ address: '10.0.0.2/8', interface: 0 }] }).ips).toHaveLength(1);
  });

  const address = fc.oneof(
    fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([ip, length]) => `${ip}/${length}`),
    fc
      .tuple(fc.nat(0xffff), fc.integer({ min: 0, max: 128 }))
      .map(([part, length]) => `fd00::${part.toString(16)}/${length}`),
  );
  const results = fc.record({
    interfaces: fc.constant([{ name: 'eth0', sandbox: '/run/netns/a' }]),
    ips: fc.array(fc.record({ address, interface: fc.constant(0) }), { minLength: 1 }),
    routes: fc.array(fc.record({ dst: address, gw: fc.ipV4() })),
    dns: fc.record({ nameservers: fc.array(fc.ipV4(), { minLength: 1 }) }),
  });

  it.each(supportedVersions.slice(2))('is the same after the way through %s', (version) => {
    fc.assert(
      fc.property(results, (result) => {
        expect(parseResult(formatResult(result, version))).toEqual(result);
      }),
    );
  });

  it('never makes anything but a typed error of what it cannot read', () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.constantFrom('ips', 'routes', 'interfaces', 'dns', 'ip4', 'cniVersion'),
        (text, field) => {
          try {
            parseResult({ cniVersion: '1.0.0', [field]: JSON.parse(text) as unknown });
          } catch (error) {
            expect(['INVALID_DOCUMENT', 'UNSUPPORTED']).toContain((error as { code: string }).code);
          }
        },
      ),
    );
  });
});
