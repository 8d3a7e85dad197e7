import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import {
  addressOf,
  bridged,
  deleteLinks,
  type NetworkHost,
  needs,
  networkState,
  startNetworkHost,
  unmasked,
} from './networks.js';

const atOnce = 16;
/** On an emulated processor plugins that wait for each other take minutes. */
const patience = { plugin: 900_000, test: 3_600_000 };

// With rules of masquerading they are fewer: iptables(8) looks at all that there are each time, which takes as long as the square of their number.
const groups = [
  { count: 200, rules: 'without rules', network: unmasked(bridged('many', 'gmany0', 95)) },
  { count: 40, rules: 'each with rules of masquerading', network: bridged('many', 'gmany0', 95) },
];

requires(needs)(`many containers, ${atOnce} at a time`, () => {
  describe.each(groups)('$count, $rules', ({ count, network }) => {
    let net: NetworkHost;
    beforeAll(async () => {
      net = await startNetworkHost({ '10-many.conflist': network }, { timeoutMs: patience.plugin });
    });
    afterAll(async () => {
      await net[Symbol.asyncDispose]();
      deleteLinks('gmany0');
    });

    it('are attached without a lost or doubled address, and leave none', { timeout: patience.test }, async () => {
      const { containerizer } = net.host;
      const before = networkState(net);
      const ids = Array.from({ length: count }, (_, index) => `many-${index}`);
      const addresses = new Map<string, string>();
      await eachOf(ids, async (id) => {
        addresses.set(id, addressOf(await containerizer.launch({ id, sandbox: true, networks: [{ name: 'many' }] })));
      });
      expect(new Set(addresses.values()).size).toBe(count);
      const leased = networkState(net).leases.filter((lease) => lease.startsWith('many 10.'));
      expect(leased.map((lease) => lease.split(' ')[1]).sort()).toEqual([...addresses.values()].sort());
      await eachOf(ids, async (id) => {
        await containerizer.destroy(id);
        await containerizer.remove(id);
      });
      const after = networkState(net);
      expect({ ...after, links: after.links.filter((name) => name !== 'gmany0') }).toEqual(before);
    });
  });
});

async function eachOf(ids: readonly string[], work: (id: string) => Promise<void>): Promise<void> {
  const waiting = ids.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const id of waiting) await work(id);
    }),
  );
}
