import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createContainerizer } from '@gantry/containerizer';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching, readOutput, startHost, type TestHost } from '../launch/host.js';
import { idmappableFolder } from '../support/idmappable-folder.js';
import { requires } from '../support/requires.js';
import type { TemporaryFolder } from '../support/temporary-folder.js';

const range = { inside: 0, outside: 700_000, size: 65_536 };
const userNamespace = { uids: [range], gids: [range] };
const sh = (script: string) => ({ command: ['/bin/sh', '-c', script], userNamespace });

requires({ root: true })('a container of root with users of its own', () => {
  let host: TestHost;
  let folder: string;
  let roots: TemporaryFolder;
  beforeAll(async () => {
    roots = await idmappableFolder();
    host = await startHost({ root: join(roots.path, 'root') });
    folder = mkdtempSync(join(tmpdir(), 'gantry-users-'));
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    await roots[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  it('has the ids that were given, inside and outside', async () => {
    const { id } = await host.containerizer.launch({
      ...sh('cat /proc/self/uid_map; id -u; touch /new; ls -ln /new /bin/busybox; echo done; exec sleep 1000'),
      image: host.image,
    });
    await outputMatching(host.containerizer, id, /done/);
    const { pid = 0 } = await host.containerizer.status(id);
    expect(readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\t700000\t700000\t700000\t700000$/m);
    const lines: string[] = [];
    for await (const { data } of host.containerizer.logs(id)) lines.push(Buffer.from(data).toString());
    const output = lines.join('');
    expect(output).toMatch(/^\s*0\s+700000\s+65536\n0\n/);
    expect(output).toMatch(/ 0 +0 .*\/new$/m);
    expect(output).toMatch(/ 0 +0 .*\/bin\/busybox$/m);
    // On the disk it is as in the image: that is what a commit finds.
    expect(lstatSync(`/proc/${pid}/root/new`).uid).toBe(700_000);
    await host.containerizer.destroy(id);
  });

  it('drops to another of its users, and gives him files', async () => {
    const { stdout, stderr } = await host.run({
      ...sh('touch /tmp/x && chown 1000:1000 /tmp/x && ls -ln /tmp/x && echo to-out > /dev/stdout; id -u'),
      user: '0',
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/ 1000 +1000 /);
    expect(stdout).toContain('to-out');
    const dropped = await host.run({ ...sh('id -u; echo err > /dev/stderr; echo out > /dev/stdout'), user: '1234:7' });
    expect(dropped).toMatchObject({ stdout: '1234\nout\n', stderr: 'err\n' });
  });

  it('is refused where what its root is made of cannot have other ids, before anything is there', async () => {
    const root = join(folder, 'unable');
    mkdirSync(root);
    execFileSync('mount', ['-t', 'ramfs', 'unable', root]);
    try {
      const spec = { rootfs: root, command: ['/bin/true'], userNamespace };
      await expect(host.containerizer.launch(spec)).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringContaining('cannot be seen through other ids: ramfs'),
        details: { isolator: 'namespaces/user', path: root, errno: 'EINVAL' },
      });
    } finally {
      execFileSync('umount', [root]);
    }
  });

  it('has no power over what is not its own', async () => {
    mkdirSync(join(folder, 'shut'));
    writeFileSync(join(folder, 'shut', 'secret'), 'secret');
    chmodSync(join(folder, 'shut', 'secret'), 0o600);
    const { stdout, stderr } = await host.run({
      ...sh('cat /mnt/secret; mknod /tmp/null c 1 3; ls -ln /mnt/secret; echo > /proc/sys/kernel/printk'),
      mounts: [{ type: 'bind', source: join(folder, 'shut'), target: '/mnt' }],
    });
    expect(stdout).toMatch(/ 65534 +65534 /);
    expect(stderr).toMatch(/cat: can't open '\/mnt\/secret': Permission denied/);
    expect(stderr).toMatch(/mknod: .*: Operation not permitted/);
  });

  it('has devices, terminals and everything else that a container has', async () => {
    const { stdout, stderr } = await host.run({
      ...sh(
        'echo x > /dev/null; head -c 4 /dev/zero | wc -c; ls /sys/class/net; ls -l /dev/mqueue; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; grep CapEff /proc/self/status; ls /proc/keys -l; cat /proc/self/oom_score_adj; ulimit -n; ulimit -Hn',
      ),
      tty: true,
      resources: { limits: { memory: 64 * 2 ** 20, pids: 20 } },
      oomScoreAdj: 500,
      rlimits: [{ type: 'NOFILE', soft: 512, hard: 600 }],
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^4\r\nlo\r\n/);
    expect(stdout).toMatch(/^0\r$/m);
    expect(stdout).toContain('CapEff:\t00000000a00425fb');
    expect(stdout).toMatch(/1, +3 .*\/proc\/keys\r\n500\r\n512\r\n600\r\n$/);
  });

  it('takes other processes in, with the ids of the container', async () => {
    const { id } = await host.containerizer.launch({ ...sh('exec sleep 1000'), image: host.image });
    await using process = await host.containerizer.exec(id, {
      command: ['/bin/sh', '-c', 'id -u; touch /made; cat /proc/self/uid_map; cat /proc/1/cmdline'],
    });
    process.stdin.end();
    const [stdout, stderr, exit] = await Promise.all([text(process.stdout), text(process.stderr), process.exit]);
    expect([stderr, exit]).toMatchObject(['', { code: 0 }]);
    expect(stdout).toMatch(/^0\n\s*0\s+700000\s+65536\nsleep/);
    await using other = await host.containerizer.exec(id, { command: ['/bin/id', '-u'], user: '1000' });
    expect(await text(other.stdout)).toBe('1000\n');
    await host.containerizer.destroy(id);
  });

  it('has clocks of its own', async () => {
    const { stdout } = await host.run({
      ...sh('cat /proc/uptime; cat /proc/self/timens_offsets'),
      timeOffsets: { monotonic: 5000, boottime: 864_000 },
    });
    const uptime = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
    expect(Number(stdout.split(' ')[0])).toBeGreaterThan(864_000);
    expect(Math.abs(Number(stdout.split(' ')[0]) - 864_000 - uptime)).toBeLessThan(60);
    expect(stdout).toMatch(/^monotonic +5000 +0\nboottime +864000 +0\n$/m);
    const plain = await host.run({ command: ['/bin/cat', '/proc/uptime'], timeOffsets: { boottime: -10 } });
    expect(Number(plain.stdout.split(' ')[0])).toBeLessThan(uptime + 60);
  });

  it('nests others in the same namespace', async () => {
    const command = ['/bin/sh', '-c', 'id -u; cat /proc/self/uid_map; hostname; ls /sys/class/net; touch /shared/$$'];
    const mounts = [{ type: 'volume', source: 'data', target: '/shared' } as const];
    const pod = await host.containerizer.launchPod({
      containers: [1, 2].map(() => ({ image: host.image, command, mounts })),
      hostname: 'pod',
      volumes: ['data'],
      userNamespace,
      endsWith: 'last',
    });
    for (const id of pod.containers) {
      const { exit } = await host.containerizer.wait(id);
      expect(exit).toMatchObject({ code: 0 });
      expect((await readOutput(host.containerizer, id)).stdout).toMatch(/^0\n\s*0\s+700000\s+65536\npod\nlo\n$/);
    }
    await host.containerizer.wait(pod.id);
  });
});

requires({ root: true })('a pool of ids for containers of root', () => {
  const userIds = { first: 1_000_000, count: 3 };
  const sleeping = { command: ['/bin/sleep', '1000'], userNamespace: 'private' } as const;
  const uidsOf = (pid = 0) => readFileSync(`/proc/${pid}/uid_map`, 'utf8').trim().split(/\s+/).map(Number);

  it('gives each a range of its own and takes it back, also in the next host program', async () => {
    await using roots = await idmappableFolder();
    await using host = await startHost({ userIds, root: join(roots.path, 'root') });
    const { containerizer, image } = host;
    const taken = () => readdirSync(join(host.stateRoot, 'isolators', 'user-ids')).length;
    const first = await containerizer.launch({ image, ...sleeping });
    const [second, third] = await Promise.all([1, 2].map(() => containerizer.launch({ image, ...sleeping })));
    const ranges = [first, second, third].map((status) => uidsOf(status?.pid));
    expect(ranges.map(([inside, , size]) => [inside, size])).toEqual([
      [0, 65_536],
      [0, 65_536],
      [0, 65_536],
    ]);
    expect(ranges.map(([, outside]) => outside).sort()).toEqual([1_000_000, 1_065_536, 1_131_072]);
    const other = await containerizer.launch({ image, parent: second?.id ?? '', command: ['/bin/sleep', '1000'] });
    expect(uidsOf(other.pid)).toEqual(ranges[1]);
    await expect(containerizer.launch({ image, ...sleeping })).rejects.toMatchObject({
      code: 'REFUSED',
      details: { isolator: 'namespaces/user', count: 3 },
    });
    expect(taken()).toBe(3);
    await containerizer.destroy(first.id);
    expect(taken()).toBe(2);
    const again = await containerizer.launch({ image, ...sleeping });
    expect(uidsOf(again.pid)).toEqual(ranges[0]);

    await containerizer[Symbol.asyncDispose]();
    process.kill(again.pid ?? 0, 'SIGKILL');
    await using next = await createContainerizer({ root: host.root, stateRoot: host.stateRoot, userIds });
    await next.recover();
    await next.wait(again.id);
    expect(taken()).toBe(2);
    expect(uidsOf((await next.launch({ image, ...sleeping })).pid)).toEqual(ranges[0]);
    for await (const { id, parent } of next.containers()) if (parent === undefined) await next.destroy(id);
    expect(taken()).toBe(0);
  });
});
