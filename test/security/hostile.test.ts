import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseReference } from '@gantry/image-spec';
import { isGantryError } from '@gantry/interface';
import { shimPath } from '@gantry/native';
import { createRegistryClient } from '@gantry/registry-client';
import { busyboxImage, pushImage } from '@gantry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { eventually } from '../support/eventually.mjs';
import { requires } from '../support/requires.js';

const codeOf = (error: unknown) => (isGantryError(error) ? error.code : String(error));

/** Clients that go away in the middle of a call; GANTRY_CLIENTS asks for more. */
const clients = Number(process.env['GANTRY_CLIENTS'] ?? 200);
const patience = { timeout: Math.max(120_000, clients * 200) };

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

requires({ root: true, commands: ['busybox'], packages: ['busybox-static'] })('a hostile image or program', () => {
  let host: TestHost;
  let folder: string;
  beforeAll(async () => {
    host = await startHost();
    folder = mkdtempSync(join(tmpdir(), 'gantry-hostile-'));
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  let count = 0;
  const imageWith = async (config: Parameters<typeof busyboxImage>[0] & object) => {
    const image = `${host.registry.address}/hostile:${count++}`;
    await pushImage(await busyboxImage(config), createRegistryClient(), parseReference(image));
    return image;
  };
  /** A root with busybox and these files. */
  const rootWith = (files: Readonly<Record<string, string>>) => {
    const root = join(folder, `root-${count++}`);
    for (const name of ['bin', 'etc', 'proc', 'dev', 'sys', 'tmp']) mkdirSync(join(root, name), { recursive: true });
    copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
    for (const name of ['sh', 'id', 'cat']) symlinkSync('busybox', join(root, 'bin', name));
    for (const [path, content] of Object.entries(files)) writeFileSync(join(root, path), content);
    return root;
  };

  it.each([{ init: true }, { init: false }])(
    'cannot write to the program of the shim (CVE-2019-5736): %o',
    async (spec) => {
      const before = createHash('sha256').update(readFileSync(shimPath)).digest('hex');
      const overwrite = 'for p in /proc/[0-9]*; do (echo overwritten > $p/exe) 2>/dev/null && echo $p; done; echo end';
      const { stdout } = await host.run({ ...sh(overwrite), ...spec, capabilities: { add: ['SYS_PTRACE'] } });
      expect(stdout).toBe('end\n');
      await host.run({ command: ['/proc/self/exe'], ...spec }).catch(() => undefined);
      expect(createHash('sha256').update(readFileSync(shimPath)).digest('hex')).toBe(before);
      expect((await host.run({ command: ['/bin/true'] })).termination.exit).toMatchObject({ code: 0 });
    },
  );

  it('finds no descriptor of the host as a working folder (CVE-2024-21626)', async () => {
    const seen = await Promise.all(
      Array.from({ length: 12 }, (_, fd) =>
        host.run({ ...sh('pwd; ls -a; cat /proc/self/cwd/etc/passwd'), workingDir: `/proc/self/fd/${fd}` }).then(
          ({ stdout }) => stdout,
          (error: { code: string }) => error.code,
        ),
      ),
    );
    expect(new Set(seen)).toEqual(new Set(['LAUNCH_FAILED']));
  });

  it('does not have digits for names of users (CVE-2016-3697), nor ids beyond those of the kernel (CVE-2024-40635)', async () => {
    const rootfs = rootWith({ 'etc/passwd': '1000:x:0:0::/:/bin/sh\n', 'etc/group': '1000:x:0:\n' });
    const { stdout } = await host.run({ image: undefined, rootfs, command: ['/bin/id', '-u'], user: '1000' });
    expect(stdout).toBe('1000\n');
    for (const user of ['4294967295', '4294967296', '2147483648000', '-1', '+0', '0x0', '1000:4294967296']) {
      await expect(host.run({ command: ['/bin/id'], user }), user).rejects.toMatchObject({
        code: expect.stringMatching(/REFUSED|INVALID/),
      });
    }
  });

  it.each([
    ['a FIFO that nobody writes to', (path: string) => execFileSync('mkfifo', [path])],
    ['a device without end', (path: string) => execFileSync('mknod', [path, 'c', '1', '5'])],
    ['a link to such a device of the host', (path: string) => symlinkSync('/dev/zero', path)],
    ['larger than any', (path: string) => writeFileSync(path, Buffer.alloc(11 * 2 ** 20, 'app:x:7:7::/:/bin/sh\n'))],
  ])('holds up nobody by a passwd that is %s', async (_, make) => {
    for (const name of ['passwd', 'group']) {
      const rootfs = rootWith({ 'etc/passwd': 'app:x:7:7::/:/bin/sh\n', 'etc/group': 'app:x:7:\n' });
      const path = join(rootfs, 'etc', name);
      rmSync(path);
      make(path);
      const launched = host.run({ image: undefined, rootfs, command: ['/bin/id'], user: 'app:app' });
      await expect(launched, name).rejects.toMatchObject({
        code: expect.stringMatching(/^(REFUSED|LIMIT_EXCEEDED)$/),
      });
    }
  });

  it.each(['/proc', '/proc/../proc', '/sys', '/../../etc/..'])('has no volume at %s (CVE-2019-16884)', async (path) => {
    const image = await imageWith({ config: { Volumes: { [path]: {} } } });
    await expect(host.run({ image, command: ['/bin/true'] })).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('keeps its links to itself: mounts go where they point inside (CVE-2021-30465, CVE-2022-23648)', async () => {
    const rootfs = rootWith({});
    const target = join(folder, 'outside');
    mkdirSync(target);
    symlinkSync(target, join(rootfs, 'data'));
    const { stdout } = await host.run({
      image: undefined,
      rootfs,
      ...sh('cat /data/file'),
      mounts: [{ type: 'bind', source: '/etc/hostname', target: '/data/file', readonly: true }],
    });
    expect(stdout).toBe(readFileSync('/etc/hostname', 'utf8'));
    expect(readdirSync(target)).toEqual([]);
  });

  it('gets its terminal from the kernel, whatever it put in its place (CVE-2025-52565)', async () => {
    const { id } = await host.containerizer.launch({
      image: host.image,
      ...sh(
        'rm -f /dev/ptmx /dev/console; ln -s /dev/null /dev/ptmx; ln -s /etc/passwd /dev/console; echo done; exec sleep 100000',
      ),
    });
    for await (const _ of host.containerizer.logs(id, { follow: true })) break;
    await using entered = await host.containerizer.exec(id, { command: ['/usr/bin/tty'], tty: true });
    expect(await text(entered.stdout)).toMatch(/^\/dev\/pts\/\d+\r\n$/);
    await host.containerizer.destroy(id);
  });

  it('reaches no socket of the shim, be it by name or by the network of the host (CVE-2020-15257)', async () => {
    const { stdout } = await host.run({ ...sh('cat /proc/net/unix'), network: 'host' });
    expect(stdout.split('\n').filter((line) => /@.*(gantry|shim)/.test(line))).toEqual([]);
    const { id } = await host.containerizer.launch({ image: host.image, command: ['/bin/sleep', '100000'] });
    const socket = join(host.root, 'containers', id, 'shim.sock');
    const other = join(host.stateRoot, 'containers', id, 'shim.sock');
    const modes = [socket, other].flatMap((path) => {
      const info = statSync(path, { throwIfNoEntry: false });
      return info ? [info.mode & 0o777] : [];
    });
    expect(modes).toEqual([0o600]);
    await host.containerizer.destroy(id);
  });

  it(
    'fills no memory of the shim, and leaves nothing of clients that went away (CVE-2022-1708)',
    patience,
    async ({ annotate }) => {
      const { containerizer } = host;
      const { id, shimPid } = await containerizer.launch({
        image: host.image,
        command: ['/bin/sleep', '100000'],
        stdin: true,
        tty: true,
      });
      const descriptors = () => [shimPid, process.pid].map((pid) => readdirSync(`/proc/${pid}/fd`).length);
      const privateKilobytes = () =>
        Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${shimPid}/status`, 'utf8'))?.[1]);
      // What is opened once for all.
      await (await containerizer.attach(id, { stdin: true }))[Symbol.asyncDispose]();
      const before = descriptors();
      const results = new Map<string, number>();
      const count = (result: string) => results.set(result, (results.get(result) ?? 0) + 1);
      {
        await using entered = await containerizer.exec(id, { command: ['/usr/bin/yes'] });
        for await (const _ of entered.stdout) break;
        for (let round = 0; round < clients; round++) {
          const leaving = new AbortController();
          const { signal } = leaving;
          const attachment = await containerizer.attach(id, { stdin: true });
          const calls = [attachment.resize({ columns: 80 + (round % 40), rows: 24 }, { signal })];
          // One that is given up while the process is on its way.
          if (round % 10 === 0)
            calls.push(
              containerizer.exec(id, { command: ['/bin/true'] }, { signal }).then((it) => it[Symbol.asyncDispose]()),
            );
          const settled = Promise.allSettled(calls);
          // At once, soon, and when most is done.
          if (round % 3 === 0) leaving.abort();
          else setTimeout(() => leaving.abort(), round % 16);
          await attachment[Symbol.asyncDispose]();
          for (const result of await settled) {
            count(result.status === 'fulfilled' ? 'done' : codeOf(result.reason));
          }
        }
        expect(privateKilobytes()).toBeLessThan(1024);
      }
      await annotate(`${JSON.stringify(Object.fromEntries(results))}, ${privateKilobytes()} kB of the shim`);
      expect([...results.keys()].filter((result) => !['done', 'ABORTED', 'CLOSED'].includes(result))).toEqual([]);
      const none = [0, 0];
      expect(
        await eventually(
          async () => descriptors().map((open, index) => Math.max(0, open - (before[index] ?? 0))),
          (more) => more.join() === none.join(),
        ),
      ).toEqual(none);
      await containerizer.destroy(id);
    },
  );

  it('changes no control group, and no parameter of the kernel (CVE-2023-25809, CVE-2022-0811)', async () => {
    const script = [
      'mkdir /sys/fs/cgroup/x 2>/dev/null && echo group',
      'mount -t cgroup -o memory cgroup /mnt 2>/dev/null && echo mounted',
      '(echo /x > /sys/fs/cgroup/release_agent) 2>/dev/null && echo agent',
      'for f in kernel/core_pattern kernel/modprobe kernel/hostname vm/overcommit_memory; do (echo x > /proc/sys/$f) 2>/dev/null && echo $f; done',
      '(echo h > /proc/sysrq-trigger) 2>/dev/null && echo sysrq',
      'echo end',
    ];
    expect((await host.run(sh(script.join('\n')))).stdout).toBe('end\n');
    const sysctls = { 'kernel.shm_rmid_forced': '1\n+kernel.core_pattern=|/x' };
    await expect(host.run({ ...sh('true'), sysctls })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('steers nothing by labels of its image (CVE-2026-53488)', async () => {
    const Labels = {
      'containerd.io/restart.status': 'running',
      'io.kubernetes.cri.container-type': 'sandbox',
      'io.podman.annotations.seccomp': 'unconfined',
      'org.opencontainers.image.stopSignal': 'SIGUSR1',
      'run.oci.hooks.stderr': '/etc/passwd',
      gantry: 'privileged',
      // As a name of its own: in a literal it would be the prototype.
      ['__proto__']: 'seccomp',
    };
    const seen = async (config: object) => {
      const image = await imageWith({ config });
      const { id, termination } = await host.run({ image, command: ['/bin/true'] });
      const { labels } = await host.containerizer.status(id);
      const { config: document, plan } = await host.containerizer.plan({ id: 'labelled', image, command: ['true'] });
      return { exit: termination.exit, labels, document, steps: plan.steps };
    };
    const plain = await seen({});
    expect(plain.document.linux.seccomp).toBeDefined();
    expect(await seen({ Labels })).toEqual({ ...plain, exit: expect.objectContaining({ code: 0 }) });
  });

  it('gets nothing into a command or a variable that is not text: line ends in fields of passwd', async () => {
    const rootfs = rootWith({ 'etc/passwd': 'app:x:7:7::/home\u0001/x:/bin/sh\n', 'etc/group': '' });
    const { stdout } = await host
      .run({ image: undefined, rootfs, ...sh('echo "$HOME"'), user: 'app' })
      .catch((error: { code: string }) => ({ stdout: error.code }));
    expect(stdout).toMatch(/^(\/|REFUSED|INVALID_ARGUMENT)\n?$/);
  });
});
