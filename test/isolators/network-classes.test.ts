import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Containerizer } from '@gantry/interface';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { LoneHierarchies } from './lone-hierarchies.js';

const controllers = ['net_cls', 'net_prio'];
const classId = 0x10002;
/** A table for nft(8) with one rule, which counts. */
const counting = (table: string, hook: string, match: string) =>
  `table ${table} {\n chain out {\n type filter hook ${hook} priority 0\n ${match} counter\n }\n}\n`;
const counted = (listed: string) => Number(/counter packets (\d+)/.exec(listed)?.[1]);

const sleeps = { command: ['/bin/sleep', '1000'] };

requires({
  root: true,
  commands: ['mount', 'nft', 'nsenter'],
  packages: ['mount', 'nftables', 'util-linux'],
})('network classes', () => {
  let host: TestHost;
  let beside: LoneHierarchies;
  let mounts: ReadonlyMap<string, string>;
  let containerizer: Containerizer;
  beforeAll(async () => {
    beside = await LoneHierarchies.mount(await detectCgroups(), controllers);
    mounts = beside.layout.mounts;
    host = await startHost({ cgroups: beside.layout });
    containerizer = host.containerizer;
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    await beside[Symbol.asyncDispose]();
  });

  const launch = async (spec: object) => {
    const { id, pid = 0 } = await containerizer.launch({ image: host.image, ...sleeps, ...spec });
    return { id, pid };
  };
  const groupsOf = (pid: number) =>
    new Map(
      readFileSync(`/proc/${pid}/cgroup`, 'utf8')
        .split('\n')
        .flatMap((line) => (line.split(':')[1] ?? '').split(',').map((name) => [name, line.split(':')[2] ?? ''])),
    );
  const said = async (id: string, script: string) => {
    const exec = await containerizer.exec(id, { command: ['/bin/sh', '-c', script] });
    expect(await exec.exit).toMatchObject({ code: 0 });
  };

  it('are given to containers that ask for them, and to no others', async () => {
    const { id, pid } = await launch({ resources: { network: { classId, priorities: { lo: 5 } } } });
    const groups = groupsOf(pid);
    const held = (name: string, file: string) =>
      readFileSync(join(mounts.get(name) ?? '', groups.get(name) ?? '', file), 'utf8');
    for (const name of controllers) expect(groups.get(name)).toMatch(new RegExp(`/${id}$`));
    expect(held('net_cls', 'net_cls.classid')).toBe('65538\n');
    expect(held('net_prio', 'net_prio.ifpriomap')).toMatch(/^lo 5$/m);
    await containerizer.update(id, { network: { classId: 7 } });
    expect(held('net_cls', 'net_cls.classid')).toBe('7\n');
    expect(held('net_prio', 'net_prio.ifpriomap')).toMatch(/^lo 0$/m);
    // A process that enters is where the first one is.
    await said(id, 'grep net_cls /proc/1/cgroup >/1; grep net_cls /proc/self/cgroup >/2; [ -s /1 ] && cmp /1 /2');
    const plain = await launch({});
    expect(groupsOf(plain.pid).get('net_cls')).toBe('/');
    await expect(containerizer.update(plain.id, { network: { classId: 7 } })).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('launch it with resources.network.classId'),
    });
    await expect(launch({ resources: { network: { priorities: { nowhere0: 1 } } } })).rejects.toMatchObject({
      code: 'REFUSED',
      details: { isolator: 'cgroups/net_prio' },
    });
    for (const one of [id, plain.id]) await containerizer.destroy(one);
  });

  it('are what a filter of packets sees on those that a container sends', async () => {
    const seen = async (resources: object) => {
      const { id, pid } = await launch({ resources });
      const nft = (command: string) =>
        execFileSync('nsenter', ['-t', String(pid), '-n', 'nft', '-f', '-'], { input: command, encoding: 'utf8' });
      nft(counting('ip seen', 'output', `meta cgroup ${classId}`));
      await said(id, 'ping -c 2 127.0.0.1');
      const listed = nft('list table ip seen');
      await containerizer.destroy(id);
      return counted(listed);
    };
    // The answers are the kernel's own.
    expect(await seen({ network: { classId } })).toBe(2);
    expect(await seen({ network: { classId: classId + 1 } })).toBe(0);
    expect(await seen({})).toBe(0);
  });

  it('are the priority of packets that leave by the interface', async () => {
    const nft = (command: string) => execFileSync('nft', ['-f', '-'], { input: command, encoding: 'utf8' });
    const table = `gantry-test-${process.pid}`;
    // No other ping on the machine is as long.
    const bytes = 1234;
    nft(
      counting(
        `netdev ${table}`,
        'egress device "lo"',
        `icmp type echo-request ip length ${bytes + 28} meta priority 0:5`,
      ),
    );
    try {
      for (const [resources, total] of [
        [{}, 0],
        [{ network: { priorities: { lo: 4 } } }, 0],
        [{ network: { priorities: { lo: 5 } } }, 1],
      ] as const) {
        const { id } = await launch({ network: 'host', resources });
        await said(id, `ping -c 1 -s ${bytes} 127.0.0.1`);
        await containerizer.destroy(id);
        expect(counted(nft(`list table netdev ${table}`))).toBe(total);
      }
    } finally {
      nft(`delete table netdev ${table}`);
    }
  });
});
