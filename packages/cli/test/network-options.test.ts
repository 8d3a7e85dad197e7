import { describe, expect, it } from 'vitest';
import { networkSpec } from '../src/network-options.js';

const none = { network: [], publish: [], addHost: [], dns: [] };

describe('the network of the command line', () => {
  it('is a mode, or networks by CNI', () => {
    for (const mode of ['none', 'host', 'user'])
      expect(networkSpec({ ...none, network: [mode] })).toEqual({ network: mode });
    expect(networkSpec({ ...none, network: ['front', 'back:eth7'] })).toEqual({
      networks: [{ name: 'front' }, { name: 'back', interface: 'eth7' }],
    });
  });

  it('is for ports alone the default one, and for an ordinary user his own', () => {
    const ports = [{ containerPort: 80, hostPort: 8080 }];
    expect(networkSpec({ ...none, publish: ['8080:80'] }, true)).toEqual({ networks: [{ name: 'default' }], ports });
    expect(networkSpec({ ...none, publish: ['8080:80'] }, false)).toEqual({ network: 'user', ports });
  });
});
