import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { createContainerizer } from '@gantry/containerizer';
import type { Containerizer, ContainerSpec, LandlockRules } from '@gantry/interface';
import { addon } from '@gantry/native';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { outputMatching, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { buildProgram, outcomes } from './attempts.js';

const EPERM = '1';
const EACCES = '13';
const ECONNREFUSED = '111';

const ids = [{ inside: 0, outside: 700_000, size: 65_536 }];
const run = [{ path: '/attempts', allow: ['execute', 'read'] }] as const;

/** The version of Landlock of the kernel here; 0 for none. */
function version(): number {
  try {
    return addon().landlockAbi();
  } catch {
    return 0;
  }
}

requires({ root: true, commands: ['gcc', 'busybox'], packages: ['busybox-static'] })(
  'a container under Landlock',
  () => {
    let host: TestHost;
    let folder: string;
    let program: string;
    beforeAll(async () => {
      host = await startHost();
      folder = mkdtempSync(join(tmpdir(), 'gantry-landlock-'));
      program = buildProgram('landlock', folder);
    });
    afterAll(async () => {
      await host[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    });

    const tries = (attempts: string, landlock?: LandlockRules, spec: Partial<ContainerSpec> = {}) => ({
      image: host.image,
      command: ['/attempts', ...attempts.split(' ')],
      ...spec,
      mounts: [
        { type: 'bind', source: program, target: '/attempts', readonly: true } as const,
        { type: 'tmpfs', target: '/data' } as const,
        ...(spec.mounts ?? []),
      ],
      ...(landlock ? { landlock } : {}),
    });
    const attempt = async (...asked: Parameters<typeof tries>) => outcomes((await host.run(tries(...asked))).stdout);
    const enter = async (containerizer: Containerizer, id: string, attempts: string) => {
      await using entered = await containerizer.exec(id, { command: ['/attempts', ...attempts.split(' ')] });
      return outcomes(await text(entered.stdout));
    };

    describe.runIf(version() < 3)('on a kernel that cannot hold a program to files', () => {
      it('is refused with the version that is missing, before anything is there', async () => {
        const spec = tries('read /etc/passwd', { paths: [{ path: '/', allow: ['read'] }] });
        await expect(host.containerizer.launch(spec)).rejects.toMatchObject({
          code: 'REFUSED',
          message: expect.stringContaining('spec.landlock.paths takes version 3 of Landlock'),
          details: { isolator: 'linux/landlock', field: 'spec.landlock.paths', needed: 3, abi: version() },
        });
      });
    });

    describe.runIf(version() >= 3)('with paths', () => {
      it('reads, writes and executes what it is allowed, as root, and nothing else', async () => {
        const attempts =
          'read /etc/passwd list /etc execute /bin/true write /etc/passwd truncate /etc/passwd mkdir /etc/x ' +
          'write /data/a read /data/a mkdir /data/b truncate /data/a remove /data/a read /proc/self/status remove /etc/passwd';
        const free = await attempt(attempts);
        expect(new Set(Object.values(free))).toEqual(new Set(['0']));
        const held = await attempt(attempts, {
          paths: [
            { path: '/bin', allow: ['read', 'execute'] },
            ...run,
            { path: '/etc', allow: ['read'] },
            { path: '/data', allow: ['write'] },
          ],
        });
        expect(held).toEqual({
          'read:/etc/passwd': '0',
          'list:/etc': '0',
          'execute:/bin/true': '0',
          'read:/data/a': EACCES,
          'write:/etc/passwd': EACCES,
          'truncate:/etc/passwd': EACCES,
          'mkdir:/etc/x': EACCES,
          'remove:/etc/passwd': EACCES,
          'write:/data/a': '0',
          'mkdir:/data/b': '0',
          'truncate:/data/a': '0',
          'remove:/data/a': '0',
          'read:/proc/self/status': EACCES,
        });
      });

      it('has them resolved in its own root', async () => {
        const root = join(folder, 'root');
        for (const name of ['bin', 'etc', 'proc', 'dev', 'sys']) mkdirSync(join(root, name), { recursive: true });
        copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
        for (const [name, content] of [
          ['passwd', ''],
          ['secret', 'inside'],
        ] as const)
          writeFileSync(join(root, 'etc', name), content);
        symlinkSync('/etc', join(root, 'link'));
        symlinkSync(folder, join(root, 'outside'));
        const spec = { image: undefined, rootfs: root } as unknown as Partial<ContainerSpec>;
        const through = await attempt(
          'read /etc/secret read /bin/busybox',
          { paths: [...run, { path: '/link', allow: ['read'] }] },
          spec,
        );
        expect(through).toEqual({ 'read:/etc/secret': '0', 'read:/bin/busybox': EACCES });
        const out = tries('read /etc/secret', { paths: [...run, { path: '/outside', allow: ['read'] }] }, spec);
        await expect(host.run(out)).rejects.toMatchObject({
          code: 'LAUNCH_FAILED',
          message: expect.stringContaining('landlockPath'),
          details: { errno: 'ENOENT', path: '/outside' },
        });
      });

      /** Keeps what it may execute in a folder that it may rename. */
      const waiting = (script: string) => {
        // The rules are about files, not their names.
        const other = join(folder, 'other');
        copyFileSync(program, other);
        const data = mkdtempSync(join(folder, 'data-'));
        mkdirSync(join(data, 'programs'));
        const allowed = [
          { path: '/bin', allow: ['read', 'execute'] },
          { path: '/attempts', allow: ['read', 'execute'] },
          { path: '/data', allow: ['read', 'write'] },
          { path: '/data/programs', allow: ['read', 'execute'] },
        ] as const;
        return {
          image: host.image,
          command: ['/bin/sh', '-c', `${script}; echo ready; exec /attempts wait x`],
          mounts: [
            { type: 'bind', source: program, target: '/attempts', readonly: true },
            { type: 'bind', source: other, target: '/elsewhere/attempts', readonly: true },
            { type: 'bind', source: data, target: '/data' },
          ],
          landlock: { paths: allowed },
        } as const;
      };

      it('holds what enters to the same files, whatever it has put in their places meanwhile', async () => {
        const { containerizer } = host;
        const { id } = await containerizer.launch(
          waiting('mv /data/programs /data/old; ln -s /elsewhere /data/programs'),
        );
        await outputMatching(containerizer, id, /ready/);
        const attempts = 'read /etc/passwd write /data/a execute /attempts execute /data/programs/attempts';
        expect(await enter(containerizer, id, attempts)).toEqual({
          'read:/etc/passwd': EACCES,
          'write:/data/a': '0',
          'execute:/attempts': '0',
          'execute:/data/programs/attempts': EACCES,
        });
        await containerizer.destroy(id);
      });

      it('is under them for the next host program, too', async () => {
        const folders = { root: join(folder, 'root-of-two'), stateRoot: join(folder, 'state-of-two') };
        const first = await createContainerizer(folders);
        const { id } = await first.launch(waiting('true'));
        await outputMatching(first, id, /ready/);
        await first[Symbol.asyncDispose]();
        await using second = await createContainerizer(folders);
        await second.recover();
        expect(await enter(second, id, 'read /etc/passwd write /data/a')).toEqual({
          'read:/etc/passwd': EACCES,
          'write:/data/a': '0',
        });
        await second.destroy(id);
      });

      it.each([{ init: true }, { tty: true }, { userNamespace: { uids: ids, gids: ids } }])(
        'is under them with %o',
        async (spec) => {
          const { termination, stdout } = await host.run({
            ...tries('read /etc/passwd read /data', { paths: [{ path: '/data', allow: ['read'] }, ...run] }),
            ...spec,
          });
          expect(outcomes(stdout.replaceAll('\r', ''))).toEqual({ 'read:/etc/passwd': EACCES, 'read:/data': '0' });
          expect(termination.exit).toMatchObject({ type: 'exited', code: 0 });
        },
      );

      it('fails to start a program that it may not execute', async () => {
        const spec = tries('read /data', { paths: [{ path: '/data', allow: ['read'] }] });
        await expect(host.run(spec)).rejects.toMatchObject({
          code: 'LAUNCH_FAILED',
          message: expect.stringContaining('exec'),
          details: { errno: 'EACCES' },
        });
      });
    });

    describe.runIf(version() >= 4)('with ports', () => {
      it('binds to and connects to those alone', async () => {
        const attempts = 'bind 8080 bind 8081 bind 0 connect 9000 connect 9001';
        const tcp = { bind: [8080], connect: [9000] };
        expect(await attempt(attempts, { tcp })).toEqual({
          'bind:8080': '0',
          'bind:8081': EACCES,
          'bind:0': EACCES,
          'connect:9000': ECONNREFUSED,
          'connect:9001': EACCES,
        });
        expect(await attempt(attempts, { tcp: { bind: [0] } })).toMatchObject({
          'bind:8080': EACCES,
          'bind:0': '0',
          'connect:9001': ECONNREFUSED,
        });
        expect(await attempt('read /etc/passwd bind 8080', { tcp: { bind: [] } })).toEqual({
          'read:/etc/passwd': '0',
          'bind:8080': EACCES,
        });
      });
    });

    describe.runIf(version() >= 6)('with scopes', () => {
      it('neither signals nor calls what is beside it, be it nested in that', async () => {
        const { containerizer } = host;
        const parent = await containerizer.launch(tries('answer here wait x'));
        await outputMatching(containerizer, parent.id, /answer:here 0/);
        const nested = { parent: parent.id, share: ['network', 'pid'] } as const;
        const run = async (landlock?: LandlockRules) => attempt('signal 1 call here', landlock, nested);
        expect(await run()).toEqual({ 'signal:1': '0', 'call:here': '0' });
        expect(await run({ scopes: ['signals'] })).toEqual({ 'signal:1': EPERM, 'call:here': '0' });
        expect(await run({ scopes: ['abstract-sockets'] })).toEqual({ 'signal:1': '0', 'call:here': EPERM });
        await containerizer.destroy(parent.id);
      });

      it('keeps what enters from signals to those who were there, and still ends by those of its host program', async () => {
        const { containerizer } = host;
        const { id } = await containerizer.launch({
          ...tries('', { scopes: ['signals'] }),
          command: ['/bin/sh', '-c', 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'],
        });
        await outputMatching(containerizer, id, /ready/);
        expect(await enter(containerizer, id, 'signal 1')).toEqual({ 'signal:1': EPERM });
        expect((await containerizer.stop(id)).exit).toMatchObject({ type: 'exited', code: 7 });
      });
    });
  },
);
