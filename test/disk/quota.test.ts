import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createContainerizer } from '@gantry/containerizer';
import type { ContainerSpec } from '@gantry/interface';
import { addon } from '@gantry/native';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { outputMatching, readOutput, startHost, type TestHost } from '../launch/host.js';
import { eventually } from '../support/eventually.mjs';
import { type LoopFilesystem, type LoopType, loopFilesystem, whyNoQuota } from '../support/loop-filesystem.js';
import { requires, whatIsMissing } from '../support/requires.js';

const MiB = 2 ** 20;
const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });
const limited = (disk: number) => ({ resources: { limits: { disk } } });
const projects = { first: 5000, count: 3 };
const fill = (name: string) => `dd if=/dev/zero of=/${name} bs=64k 2>&1`;

const needs = { root: true, commands: ['mkfs.xfs', 'mkfs.ext4', 'gcc'], packages: ['xfsprogs', 'e2fsprogs'] };
const able = whatIsMissing(needs).length === 0;

for (const type of ['xfs', 'ext4'] satisfies LoopType[]) {
  const reason = able ? whyNoQuota(type) : undefined;
  requires({ ...needs, reasons: reason === undefined ? [] : [reason] })(
    `a disk limit by project quota on ${type}`,
    () => {
      let filesystem: LoopFilesystem;
      let host: TestHost;
      beforeAll(async () => {
        filesystem = loopFilesystem(type);
        host = await startHost({ root: join(filesystem.path, 'root'), disk: { projects, intervalMs: 100 } });
      });
      afterAll(async () => {
        await host[Symbol.asyncDispose]();
        filesystem[Symbol.dispose]();
      });

      const quotas = () =>
        Array.from({ length: projects.count }, (_, at) => addon().projectQuota(filesystem.path, projects.first + at));
      /** Those that are left; XFS counts what was removed until a thread of its own has freed it. */
      const lastQuotas = () =>
        eventually(
          async () => quotas().filter(({ limit, used, files }) => limit > 0 || used > 0 || files > 0),
          (left) => left.length === 0,
        );
      const taken = () => {
        const folder = join(host.stateRoot, 'isolators', 'projects');
        return existsSync(folder) ? readdirSync(folder) : [];
      };

      it('is where writing ends, for this container and no other', async () => {
        const { containerizer, image } = host;
        const other = await containerizer.launch({
          image,
          ...limited(64 * MiB),
          ...sh('echo ready; read x; dd if=/dev/zero of=/f bs=1M count=32 2>&1 && echo whole; sleep 1000'),
          stdin: true,
        });
        const { id } = await containerizer.launch({
          image,
          ...limited(16 * MiB),
          ...sh(`${fill('f')}; echo status $?; sleep 1000`),
        });
        await outputMatching(containerizer, id, /status 1/);
        expect((await readOutput(containerizer, id)).stdout).toMatch(/No space left on device|Disk quota exceeded/);
        const { disk } = await containerizer.usage(id);
        expect(disk?.limit).toBe(16 * MiB);
        expect(disk?.used).toBeGreaterThan(15 * MiB);
        expect(disk?.used).toBeLessThanOrEqual(16 * MiB);
        expect(
          quotas()
            .map(({ limit }) => limit)
            .sort((a, b) => a - b),
        ).toEqual([0, 16 * MiB, 64 * MiB]);

        await using attachment = await containerizer.attach(other.id, { stdin: true });
        attachment.stdin?.write('\n');
        await outputMatching(containerizer, other.id, /whole/);

        expect(await containerizer.destroy(id)).toMatchObject({
          limitation: { isolator: 'disk/xfs', resource: 'disk' },
        });
        expect((await containerizer.destroy(other.id)).limitation).toBeUndefined();
        expect(await lastQuotas()).toEqual([]);
        expect(taken()).toEqual([]);
        await containerizer.remove(id);
        await containerizer.remove(other.id);
      });

      it('is raised and lowered by update, and no project is given to two', async () => {
        const { containerizer, image } = host;
        const script = `${fill('a')}; echo full; read x; ${fill('b')}; echo fuller; read x; rm /b; echo x > /c || echo refused; sleep 1000`;
        const { id } = await containerizer.launch({ image, ...limited(8 * MiB), ...sh(script), stdin: true });
        const others = [];
        for (let n = 0; n < 2; n++)
          others.push(await containerizer.launch({ image, ...limited(MiB), command: ['/bin/sleep', '1000'] }));
        expect(new Set(taken()).size).toBe(3);
        await expect(containerizer.launch({ image, ...limited(MiB), command: ['/bin/true'] })).rejects.toThrow(
          /project ids from 5000 to 5002/,
        );

        await outputMatching(containerizer, id, /full/);
        await containerizer.update(id, { limits: { disk: 24 * MiB } });
        await using attachment = await containerizer.attach(id, { stdin: true });
        attachment.stdin?.write('\n');
        await outputMatching(containerizer, id, /fuller/);
        expect((await containerizer.usage(id)).disk?.used).toBeGreaterThan(23 * MiB);
        await containerizer.update(id, { limits: { disk: 4 * MiB } });
        attachment.stdin?.write('\n');
        await outputMatching(containerizer, id, /refused/);
        await containerizer.update(id, {});
        expect((await containerizer.usage(id)).disk?.limit).toBeUndefined();
        for (const one of [id, ...others.map((other) => other.id)]) await containerizer.destroy(one);
        expect(taken()).toEqual([]);
      });

      it('is never one with what another state root has put into the same project at the same time', async () => {
        const { containerizer, image } = host;
        const foreign = mkdtempSync(join(filesystem.path, 'foreign-'));
        const { setProject } = addon();
        let shared = 0;
        const spy = vi.spyOn(addon(), 'setProject').mockImplementationOnce((path, project) => {
          shared = project;
          setProject(foreign, project);
          setProject(path, project);
        });
        try {
          const { id } = await containerizer.launch({ image, ...limited(MiB), command: ['/bin/sleep', '1000'] });
          const [project] = taken();
          expect(Number(project)).not.toBe(shared);
          expect(addon().projectQuota(filesystem.path, shared)).toMatchObject({ files: 1, limit: 0 });
          expect(addon().projectQuota(filesystem.path, Number(project))).toMatchObject({ limit: MiB });
          await containerizer.destroy(id);
          await containerizer.remove(id);
        } finally {
          spy.mockRestore();
          rmSync(foreign, { recursive: true });
        }
        expect(await lastQuotas()).toEqual([]);
        expect(taken()).toEqual([]);
      });

      describe('from which a folder is taken', () => {
        let folder: string;
        beforeAll(() => {
          folder = mkdtempSync(join(tmpdir(), 'gantry-project-'));
          execFileSync('gcc', [
            '-static',
            '-o',
            join(folder, 'leave'),
            fileURLToPath(new URL('project.c', import.meta.url)),
          ]);
        });
        afterAll(() => rmSync(folder, { recursive: true }));

        const leaving = (spec: Partial<ContainerSpec>) => ({
          image: host.image,
          ...limited(8 * MiB),
          ...sh(
            'mkdir /tmp/out; /leave /tmp/out; dd if=/dev/zero of=/tmp/out/f bs=1M count=32 2>&1; echo status $?; sleep 1000',
          ),
          mounts: [{ type: 'bind', source: join(folder, 'leave'), target: '/leave', readonly: true } as const],
          ...spec,
        });

        it('is left by the owner, and the container ended as soon as that has been measured', async () => {
          const { containerizer } = host;
          const { id } = await containerizer.launch(leaving({}));
          expect(await containerizer.wait(id)).toMatchObject({
            limitation: { isolator: 'disk/xfs', message: expect.stringContaining('out of its quota') },
          });
          expect((await readOutput(containerizer, id)).stdout).toMatch(/^left 0$/m);
          await containerizer.remove(id);
        });

        it('holds the root of a user namespace', async () => {
          const { containerizer } = host;
          const ids = [{ inside: 0, outside: 700_000, size: 65_536 }];
          const { id } = await containerizer.launch(leaving({ userNamespace: { uids: ids, gids: ids } }));
          await outputMatching(containerizer, id, /status 1/);
          expect((await readOutput(containerizer, id)).stdout).toMatch(/^left 22$/m);
          await containerizer.destroy(id);
        });
      });

      it('holds in the next host program, which also lets go what an ended container had', async () => {
        await using own = await startHost({ root: join(filesystem.path, 'own'), disk: { projects } });
        const wait = 'until [ -e /dev/shm/go ]; do sleep 0.05; done';
        const spec = { image: own.image, ...limited(8 * MiB) };
        const { id } = await own.containerizer.launch({
          ...spec,
          ...sh(`${wait}; ${fill('f')}; echo status $?; sleep 1000`),
        });
        const gone = await own.containerizer.launch({ ...spec, command: ['/bin/sleep', '1000'] });
        await own.containerizer[Symbol.asyncDispose]();
        process.kill(gone.pid ?? 0, 'SIGKILL');
        await using next = await createContainerizer({ root: own.root, stateRoot: own.stateRoot, disk: { projects } });
        await next.recover();
        await next.wait(gone.id);
        expect(quotas().filter(({ limit }) => limit > 0)).toHaveLength(1);
        await (await next.exec(id, { command: ['/bin/touch', '/dev/shm/go'] })).exit;
        await outputMatching(next, id, /status 1/);
        await next.destroy(id);
        expect(await lastQuotas()).toEqual([]);
      });
    },
  );
}
