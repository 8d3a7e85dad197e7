import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostAbility } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { addUser, type TestUser } from './user.js';

const tree = '/sys/fs/cgroup';
const isV2 = existsSync(join(tree, 'cgroup.controllers'));
const given = `/gantry-given-${process.pid}`;
/** Where the host program is: with controllers on, a group that has others below it may have no processes. */
const own = `${given}/host`;
const parent = `${given}/gantry`;

requires({
  root: true,
  commands: ['newuidmap', 'setpriv', 'useradd'],
  packages: ['uidmap', 'util-linux', 'passwd'],
  reasons: isV2 ? [] : ['needs a host with cgroup v2 alone: see test/machine'],
})('an ordinary user to whom a control group was given', () => {
  // Only its registry is used.
  let host: TestHost;
  let user: TestUser;
  beforeAll(async () => {
    host = await startHost();
    user = addUser(true);
    writeFileSync(join(tree, 'cgroup.subtree_control'), '+cpu +memory +pids');
    for (const group of [given, own]) {
      mkdirSync(join(tree, group));
      // Kernel documentation, admin-guide/cgroup-v2, "Model of Delegation".
      for (const file of ['', 'cgroup.procs', 'cgroup.subtree_control', 'cgroup.threads']) {
        chownSync(join(tree, group, file), user.uid, user.uid);
      }
    }
  });
  afterAll(async () => {
    for (const group of [own, given]) rmdirSync(join(tree, group));
    user[Symbol.dispose]();
    await host[Symbol.asyncDispose]();
  });
  const one = async (scenario: string, ...args: string[]) => {
    const { results, stderr } = await user.runIn(join(tree, own), parent, scenario, [host.image, ...args]);
    expect(stderr).toBe('');
    return results[0];
  };

  it('has limits kept for his containers, pauses them, and leaves nothing in it', async () => {
    expect(await one('limits')).toMatchObject({
      bombed: { limit: 6 },
      state: 'PAUSED',
      memory: 2 ** 25,
      pids: 8,
      limitation: { isolator: 'cgroups/mem', resource: 'memory' },
    });
    const left = readdirSync(join(tree, given), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(left.map(({ name }) => name)).toEqual(['host']);
  });

  it('is told of pressure in windows of two seconds, and of shorter ones what they take', async () => {
    const [short, long] = (await one('pressure')) as string[];
    expect(short).toMatch(/^REFUSED: cgroups\/mem: pressure\[0\]: .* a multiple of 2000, or run .* CAP_SYS_RESOURCE/);
    expect(long).toBe('told');
  });

  it('is told what he can limit, and why not where his program is elsewhere', async () => {
    const named = (found: unknown, name: string) => (found as HostAbility[]).find((ability) => ability.name === name);
    const found = await one('probe');
    const there = readFileSync(join(tree, given, 'cgroup.controllers'), 'latin1')
      .trim()
      .split(' ');
    expect(there).toEqual(expect.arrayContaining(['cpu', 'memory', 'pids']));
    for (const controller of ['cpu', 'cpuset', 'memory', 'pids', 'io', 'hugetlb']) {
      expect(named(found, `cgroup ${controller}`)?.works).toBe(there.includes(controller));
    }
    const { results } = await user.runIn(tree, parent, 'probe', ['']);
    const reason = `${tree}/cgroup.procs cannot be written by this user`;
    expect(named(results[0], 'cgroup memory')).toMatchObject({
      works: false,
      reason,
      remedy: expect.stringContaining('in which the host program runs'),
    });
    const spec = JSON.stringify({ command: ['/bin/true'], resources: { limits: { memory: 2 ** 26 } } });
    const refused = await user.runIn(tree, parent, 'refusal', [host.image, spec]);
    expect(refused.results[0]).toMatch(`REFUSED: cgroups/none: resources.limits.memory cannot be had: ${reason}`);
  });
});
