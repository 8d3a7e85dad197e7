import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { CgroupLayout, ContainerSpec } from '@gantry/interface';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { startByCrun } from './crun.js';
import { outputMatching, readOutput, startHost, type TestHost } from './host.js';

const MiB = 2 ** 20;
const device = '/dev/cpu_dma_latency';

/** What the kernel is to show of a group; a weight of version 2 is left out, which crun makes of shares by another formula. */
const files = {
  v1: {
    memory: ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes', 'memory.soft_limit_in_bytes'],
    cpu: ['cpu.shares', 'cpu.cfs_quota_us', 'cpu.cfs_period_us'],
    cpuset: ['cpuset.cpus', 'cpuset.mems'],
    pids: ['pids.max'],
  },
  v2: { unified: ['memory.max', 'memory.low', 'memory.swap.max', 'cpu.max', 'cpuset.cpus', 'cpuset.mems', 'pids.max'] },
} as const;

/** Null, the log of the kernel, fuse, a disk. */
const nodes = ['c 1 3', 'c 1 11', 'c 10 229', 'b 7 0'];

/** Says of nodes that the container makes, and of the device that it asked for, what they can be opened for. */
const opens = [
  ...nodes.map((node, index) => `mknod /dev/made${index} ${node}`),
  ...[...nodes.map((_, index) => `/dev/made${index}`), device].map(
    (path) => `(exec 3<${path}) 2>/dev/null && echo ${path} read; (exec 3>${path}) 2>/dev/null && echo ${path} write`,
  ),
  'echo ready; read x',
].join('; ');

requires({ root: true, commands: ['crun', 'busybox'], packages: ['crun', 'busybox-static'] })(
  'the limits of a document that plan() gives',
  () => {
    let host: TestHost;
    let folder: string;
    let rootfs: string;
    let layout: CgroupLayout;
    beforeAll(async () => {
      host = await startHost();
      layout = await detectCgroups();
      folder = mkdtempSync(join(tmpdir(), 'gantry-crun-'));
      rootfs = join(folder, 'rootfs');
      for (const name of ['bin', 'proc', 'dev', 'sys']) mkdirSync(join(rootfs, name), { recursive: true });
      copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'));
      for (const name of ['sh', 'mknod']) symlinkSync('busybox', join(rootfs, 'bin', name));
    });
    afterAll(async () => {
      await host[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    });

    const spec: ContainerSpec = {
      rootfs: '',
      env: { PATH: '/bin' },
      command: ['/bin/sh', '-c', opens],
      // A default that is lowered to what the host allows is, in a document, a limit that crun may not raise.
      rlimits: [{ type: 'NOFILE', soft: 256, hard: 512 }],
      devices: [{ path: device, permissions: 'r' }],
      resources: {
        requests: { cpus: 0.5, memory: 16 * MiB },
        limits: { cpus: 0.75, memory: 64 * MiB, pids: 40 },
        cpuset: { cpus: '0', mems: '0' },
      },
    };

    const held = (group: string) =>
      Object.entries(files[layout.version]).flatMap(([controller, names]) =>
        (names as readonly string[]).map((name) => {
          const path = join(layout.mounts.get(controller) ?? '', group, name);
          return `${name} ${existsSync(path) ? readFileSync(path, 'latin1').trim() : 'absent'}`;
        }),
      );

    async function ours() {
      const { id, pid } = await host.containerizer.launch({ ...spec, rootfs, stdin: true });
      await outputMatching(host.containerizer, id, /ready/);
      const line = readFileSync(`/proc/${pid}/cgroup`, 'latin1')
        .split('\n')
        .find((text) => text.endsWith(`/${id}`));
      const limits = held(line?.split(':')[2] ?? '');
      const { stdout } = await readOutput(host.containerizer, id);
      await host.containerizer.destroy(id);
      return { limits, said: stdout.trim().split('\n') };
    }

    async function theirs() {
      const { config } = await host.containerizer.plan({ ...spec, rootfs });
      const parent = `gantry-crun-${process.pid}`;
      const crun = startByCrun(config, rootfs, folder, `/${parent}/oracle`);
      const ended = once(crun, 'exit');
      const said: string[] = [];
      try {
        for await (const line of createInterface({ input: crun.stdout })) {
          said.push(line);
          if (line === 'ready') break;
        }
        return { limits: held(`/${parent}/oracle`), said };
      } finally {
        crun.stdin.end();
        await ended;
        const mounts = new Set([...layout.mounts.values(), '/sys/fs/cgroup/systemd', '/sys/fs/cgroup/cpuacct']);
        for (const path of [...mounts].map((mount) => join(mount, parent))) if (existsSync(path)) rmdirSync(path);
      }
    }

    it('are to the kernel what they are run by crun, devices too', async () => {
      const [mine, other] = [await ours(), await theirs()];
      expect(mine).toEqual(other);
      expect(mine.said).toEqual(['/dev/made0 read', '/dev/made0 write', `${device} read`, 'ready']);
      expect(mine.limits.filter((line) => line.endsWith('absent'))).toEqual([]);
    });
  },
);
