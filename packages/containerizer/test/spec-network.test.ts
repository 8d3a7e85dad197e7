import type { ContainerSpec } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { checkSpec } from '../src/spec.js';
import { refuseUnserved } from '../src/unserved.js';

const image = 'busybox';
const check = (spec: Partial<ContainerSpec>) => checkSpec({ image, ...spec });

describe('the networks of a spec', () => {
  it('are taken with all that can be asked of them', () => {
    const spec = {
      networks: [
        { name: 'default', ips: ['10.1.0.7', 'fd00::7/64'], mac: 'c2:11:22:33:44:55', aliases: ['db'] },
        { name: 'storage', interface: 'store0', args: { FOO: 'bar' }, bandwidth: { ingressRate: 1000 } },
      ],
      ports: [{ containerPort: 80 }, { containerPort: 53, hostPort: 5300, protocol: 'udp', hostIp: '::1', count: 3 }],
      dns: { servers: ['1.1.1.1', 'fd00::53'], search: ['a.example'], options: ['ndots:2'] },
      extraHosts: [{ address: '10.0.0.9', names: ['nine', 'nine.example'] }],
    } as const;
    expect(check(spec)).toMatchObject(spec);
  });

  it.each<[string, Partial<ContainerSpec>]>([
    ['spec.networks[0].name', { networks: [{ name: '' }] }],
    ['spec.networks[0].ips[0]', { networks: [{ name: 'a', ips: ['10.1.0.0/33'] }] }],
    ['spec.networks[0].ips[0]', { networks: [{ name: 'a', ips: ['10.1.0.1/2/3'] }] }],
    ['spec.networks[0].mac', { networks: [{ name: 'a', mac: 'c2:11:22:33:44' }] }],
    ['spec.networks[0].args.a', { networks: [{ name: 'a', args: { a: 'b;IgnoreUnknown=1' } }] }],
    ['spec.networks', { networks: [{ name: 'a' }], network: 'host' }],
    ['spec.networks', { networks: [{ name: 'a' }], network: 'none' }],
    ['spec.ports', { ports: [{ containerPort: 80 }] }],
    ['spec.ports[0].containerPort', { networks: [{ name: 'a' }], ports: [{ containerPort: 0 }] }],
    ['spec.ports[0].count', { networks: [{ name: 'a' }], ports: [{ containerPort: 65000, count: 1000 }] }],
    ['spec.ports[0].hostIp', { networks: [{ name: 'a' }], ports: [{ containerPort: 1, hostIp: 'localhost' }] }],
    ['spec.dns.servers[0]', { dns: { servers: ['dns.example'] } }],
    ['spec.dns.search[0]', { dns: { search: ['a\nnameserver 6.6.6.6'] } }],
    ['spec.extraHosts[0].names[0]', { extraHosts: [{ address: '10.0.0.1', names: ['a b'] }] }],
    ['spec.dns', { network: 'host', dns: {} }],
    ['spec.extraHosts', { network: 'host', extraHosts: [] }],
  ])('are refused by the name of the field: %s', (field, spec) => {
    expect(() => check(spec)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field } }));
  });

  it('are refused where no isolator sees to them', () => {
    const refused = expect.objectContaining({ code: 'REFUSED' });
    expect(() => refuseUnserved(check({ networks: [{ name: 'a' }] }), [])).toThrow(refused);
    expect(() => refuseUnserved(check({ extraHosts: [] }), [])).toThrow(refused);
    const served = { name: 'network/cni', edits: async () => ({}) };
    expect(() => refuseUnserved(check({ networks: [{ name: 'a' }] }), [served])).not.toThrow();
    expect(() => refuseUnserved(check({}), [])).not.toThrow();
  });
});
