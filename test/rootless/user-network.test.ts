import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { makeOutside, type Outside, openTun, type Servers, serve, shutTun } from '../network/outside.js';
import { eventually } from '../support/eventually.mjs';
import { requires } from '../support/requires.js';
import { addUser, type TestUser } from './user.js';

requires({
  root: true,
  commands: ['newuidmap', 'setpriv', 'ip', 'nft', 'nsenter', 'pasta', 'slirp4netns'],
  packages: ['uidmap', 'util-linux', 'iproute2', 'nftables', 'passt', 'slirp4netns'],
})("network 'user' of an ordinary user", () => {
  // Only its registry is used.
  let host: TestHost;
  let outside: Outside;
  let far: Servers;
  let other: Servers;
  let loopback: Servers;
  let tun: Disposable;
  beforeAll(async () => {
    host = await startHost();
    outside = makeOutside(2);
    tun = openTun();
    [far, other, loopback] = await Promise.all([serve(outside.ipv4), serve(outside.ipv4), serve('127.0.0.1')]);
  });
  afterAll(async () => {
    for (const one of [far, other, loopback, tun, outside]) one[Symbol.dispose]();
    await host[Symbol.asyncDispose]();
  });

  const one = async (user: TestUser, scenario: string, ...args: readonly (string | number)[]) => {
    const { results, stderr } = await user.run(scenario, [host.image, ...args.map(String)]);
    expect(stderr).toBe('');
    return results[0];
  };

  describe.each([
    ['pasta', true],
    ['slirp4netns', true],
    ['slirp4netns', false],
  ] as const)('by %s, with ranges of ids: %s', (stack, ranges) => {
    let user: TestUser;
    beforeAll(() => {
      user = addUser(ranges);
    });
    afterAll(() => user[Symbol.dispose]());

    it('reaches what the host reaches, not its loopback, and is reached by its ports', async () => {
      const told = await one(user, 'network', stack, outside.ipv4, far.port, loopback.port);
      expect(told).toMatchObject({
        networks: [
          {
            name: 'user',
            interface: 'eth0',
            addresses: expect.arrayContaining([{ address: '10.0.2.100/24', gateway: '10.0.2.2' }]),
          },
        ],
        ports: [{ containerPort: 80, protocol: 'tcp' }],
        served: 'served\n',
      });
      const { seen } = told as { seen: string };
      expect(seen).toMatch(/^hello\n127\.0\.0\.1\tlocalhost\n/);
      expect(seen).toContain('10.0.2.100\tbox\n');
      expect(seen).toMatch(ranges ? /\n0\t65536\n$/ : /\n0\t0\n$/);
      expect(loopback.callers).toEqual([]);
      expect(await gone(user)).toEqual([]);
    });

    it('connects only where its egress rules let it', async () => {
      expect(await one(user, 'egress', stack, outside.ipv4, far.port, other.port)).toMatchObject({
        exit: 0,
        stdout: 'hello\nshut\n',
      });
      expect(other.callers).toEqual([]);
    });
  });

  it('is refused where the user may not open /dev/net/tun, with the remedy, as are networks by CNI', async () => {
    using user = addUser(true);
    expect(await one(user, 'refusal', JSON.stringify({ networks: [{ name: 'default' }] }))).toMatch(
      /^REFUSED: network\/cni: .*takes root; .*network 'user'/,
    );
    const low = JSON.stringify({ network: 'user', ports: [{ containerPort: 80, hostPort: 80 }] });
    expect(await one(user, 'refusal', low)).toMatch(
      /^REFUSED: network\/cni: port 80\/tcp .*ip_unprivileged_port_start/,
    );
    // As on a host where udev does not open it to all.
    using _ = shutTun();
    expect(await one(user, 'refusal', JSON.stringify({ network: 'user' }))).toMatch(
      /^REFUSED: network\/cni: network 'user' needs \/dev\/net\/tun, .*\(EACCES\); have root .*chmod 666/,
    );
  });
});

/** What runs as a user once what is about to end has had the time for it. */
const gone = (user: TestUser) =>
  eventually(
    async () => processesOf(user),
    (left) => left.length === 0,
  );

/** What runs as a user. */
function processesOf({ uid }: TestUser): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return (
        /^\d+$/.test(name) && new RegExp(`^Uid:\\t${uid}\\t`, 'm').test(readFileSync(`/proc/${name}/status`, 'latin1'))
      );
    } catch {
      return false; // Gone meanwhile.
    }
  });
}
