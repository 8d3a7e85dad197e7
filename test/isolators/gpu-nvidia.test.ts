import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type ContainerizerOptions, createContainerizer, probe } from '@gantry/containerizer';
import type { Containerizer, ContainerSpec, ContainerStatus } from '@gantry/interface';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });
const sleeps = { command: ['/bin/sleep', '1000'] };
const gpus = (wanted: number | readonly string[]) => ({ resources: { gpus: wanted } });

/** Of every machine; that they can be opened depends on nothing but the node and the control group. */
const standIns = ['/dev/cpu_dma_latency', '/dev/kmsg'].map((path) => {
  const { rdev } = statSync(path);
  return { major: (rdev >> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >> 12) & 0xfff00) };
});
const openable = (name: string) => `(exec 3< /dev/${name}) 2>/dev/null && echo ${name}`;

requires({ root: true })('GPUs', () => {
  let folder: TemporaryFolder;
  let options: Required<Pick<ContainerizerOptions, 'cdi' | 'nvidia'>>;
  let host: TestHost;
  let next: Containerizer | undefined;
  const programs: ChildProcess[] = [];
  /** Whatever is kept of who has which. */
  const kept = () =>
    readdirSync(join(host.root, 'gpus'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));

  beforeEach(async () => {
    folder = await temporaryFolder();
    const [devices, driver] = ['dev', 'proc'].map((name) => join(folder.path, name)) as [string, string];
    mkdirSync(devices);
    mkdirSync(join(driver, 'gpus/0000:01:00.0'), { recursive: true });
    standIns.forEach(({ major, minor }, index) => {
      execFileSync('mknod', ['-m', '666', join(devices, `nvidia${index}`), 'c', `${major}`, `${minor}`]);
    });
    execFileSync('mknod', ['-m', '666', join(devices, 'nvidiactl'), 'c', '1', '5']);
    writeFileSync(join(driver, 'gpus/0000:01:00.0/information'), 'GPU UUID: \t GPU-1234\nDevice Minor: \t 0\n');
    options = { cdi: { folders: [join(folder.path, 'cdi')] }, nvidia: { devices, driver } };
    host = await startHost(options);
    await host.run({ command: ['/bin/true'] });
  });
  afterEach(async () => {
    for (const program of programs.splice(0)) await kill(program);
    for await (const { id } of next?.containers() ?? []) await next?.destroy(id);
    await next?.[Symbol.asyncDispose]();
    next = undefined;
    await host[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const launch = (spec: Partial<ContainerSpec>) => host.containerizer.launch({ image: host.image, ...sleeps, ...spec });
  const otherRoots = () => ({ root: host.root, stateRoot: join(host.root, '..', 'other-state') });
  const startProgram = async (spec: object, standsAt?: string): Promise<{ program: ChildProcess; line: string }> => {
    const script = fileURLToPath(new URL('./gpu-host-program.mjs', import.meta.url));
    const input = {
      options: { ...options, ...otherRoots() },
      specs: [{ image: host.image, ...sleeps, ...spec }],
      standsAt,
    };
    const program = spawn(process.execPath, [script, JSON.stringify(input)], { stdio: ['ignore', 'pipe', 'inherit'] });
    programs.push(program);
    for await (const line of createInterface({ input: program.stdout as NodeJS.ReadableStream }))
      return { program, line };
    throw new Error('the host program ended before it said anything');
  };
  const kill = async (program: ChildProcess) => {
    if (program.exitCode !== null || program.signalCode !== null) return;
    const gone = once(program, 'exit');
    program.kill('SIGKILL');
    await gone;
  };
  const nextHost = async () => {
    next = await createContainerizer({ ...options, ...otherRoots() });
    return next;
  };

  it('are a container’s alone: it can open its own, and no other’s, whatever nodes it makes', async () => {
    const [first, second] = standIns;
    const others = `mknod /dev/made c ${second?.major} ${second?.minor}; ${openable('made')}`;
    const text = `ls -ln /dev/nvidia* | tr -s ' ' | cut -d ' ' -f 1,5,6,10; ${openable('nvidia0')}; ${openable('nvidiactl')}; ${others}`;
    const { stdout } = await host.run({ ...sh(text), ...gpus(1) });
    expect(stdout.trim().split('\n')).toEqual([
      `crw-rw-rw- ${first?.major}, ${first?.minor} /dev/nvidia0`,
      'crw-rw-rw- 1, 5 /dev/nvidiactl',
      'nvidia0',
      'nvidiactl',
    ]);
    const without = await host.run(
      sh(`ls /dev | grep nvidia; mknod /dev/made c ${first?.major} ${first?.minor}; ${openable('made')}; echo done`),
    );
    expect(without.stdout).toBe('done\n');
    expect(kept()).toEqual([]);
  });

  it('are given until there are none, told in the status, and given again once a container has ended', async () => {
    const a = await launch({ id: 'a', ...gpus(1) });
    const b = await launch({ id: 'b', ...gpus(['1']) });
    expect([a.gpus, b.gpus]).toEqual([['GPU-1234'], ['1']]);
    for (const wanted of [1, ['0'], ['GPU-1234']]) {
      await expect(launch({ ...gpus(wanted) })).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringContaining('a') as string,
        details: { isolator: 'gpu/nvidia' },
      });
    }
    // As one nested in it would, by a request of its own.
    await expect(launch({ parent: 'a', ...gpus(1) })).rejects.toMatchObject({ code: 'REFUSED' });
    await host.containerizer.destroy('a');
    expect((await host.containerizer.status('a')).gpus).toBeUndefined();
    const nested = await launch({ parent: 'b', ...gpus(1) });
    expect(nested.gpus).toEqual(['GPU-1234']);
    await host.containerizer.destroy('b');
    expect(kept()).toEqual([]);
  });

  it('are not had twice by launches that come at once', async () => {
    const done = await Promise.allSettled(Array.from({ length: 6 }, () => launch(gpus(1))));
    const got = done.flatMap((each) => (each.status === 'fulfilled' ? (each.value.gpus ?? []) : []));
    expect(got.sort()).toEqual(['1', 'GPU-1234']);
    for (const each of done) if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'REFUSED' });
  });

  it('stay as they are while a container runs', async () => {
    await launch({ id: 'a', resources: { gpus: 1, limits: { memory: 2 ** 26 } } });
    await host.containerizer.update('a', { gpus: 1, limits: { memory: 2 ** 25 } });
    expect((await host.containerizer.usage('a')).memory?.limit).toBe(2 ** 25);
    await expect(host.containerizer.update('a', { gpus: 2, limits: { memory: 2 ** 26 } })).rejects.toMatchObject({
      code: 'REFUSED',
      details: { isolator: 'gpu/nvidia', field: 'resources.gpus' },
    });
    expect((await host.containerizer.usage('a')).memory?.limit).toBe(2 ** 25);
  });

  it('are had by the containers of a pod, each its own', async () => {
    const container = { image: host.image, ...sleeps, ...gpus(1) };
    const { id, containers } = await host.containerizer.launchPod({ containers: [container, container] });
    const statuses = await Promise.all([id, ...containers].map((one) => host.containerizer.status(one)));
    const [ofSandbox, ...ofContainers] = statuses.map((status) => status.gpus);
    expect(ofSandbox).toBeUndefined();
    // They are launched at once.
    expect(ofContainers.flat().sort()).toEqual(['1', 'GPU-1234']);
    await host.containerizer.destroy(id);
    expect(kept()).toEqual([]);
  });

  it('come as a specification says, where there is one, and parts of them by name', async () => {
    mkdirSync(join(folder.path, 'cdi'));
    const node = (name: string, index: number) => ({ path: `/dev/${name}`, type: 'c', ...standIns[index] });
    const part = (name: string, capability: number) => {
      return {
        name,
        containerEdits: { deviceNodes: [node('nvidia0', 0), node(`nvidia-caps/nvidia-cap${capability}`, 1)] },
      };
    };
    writeFileSync(
      join(folder.path, 'cdi/nvidia.json'),
      JSON.stringify({
        cdiVersion: '0.5.0',
        kind: 'nvidia.com/gpu',
        devices: [part('0:0', 3), part('MIG-1', 3), part('0:1', 5)],
        containerEdits: { env: ['NVIDIA_VISIBLE_DEVICES=void'] },
      }),
    );
    expect((await launch({ id: 'a', ...gpus(['0:0']) })).gpus).toEqual(['MIG-1']);
    const { stdout } = await host.run({
      ...sh('cd /dev; find nvidia* ! -type d; echo $NVIDIA_VISIBLE_DEVICES'),
      ...gpus(['0:1']),
    });
    expect(stdout).toBe('nvidia-caps/nvidia-cap5\nnvidia0\nvoid\n');
    await expect(launch(gpus(['MIG-1']))).rejects.toMatchObject({ code: 'REFUSED', details: { container: 'a' } });
    await expect(launch(gpus(1))).rejects.toMatchObject({ code: 'REFUSED', details: { total: 0 } });
  });

  it('are kept through the death of a host program, and let go of when the next one ends the container', async () => {
    const { program, line } = await startProgram({ id: 'survivor', ...gpus(2) });
    expect((JSON.parse(line) as ContainerStatus).gpus).toEqual(['GPU-1234', '1']);
    // Those of another state root with the same folder are out of reach, too.
    await expect(launch(gpus(1))).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('survivor') as string,
    });
    await kill(program);
    await expect(launch(gpus(1))).rejects.toMatchObject({ code: 'REFUSED' });
    const containerizer = await nextHost();
    expect(await containerizer.recover()).toMatchObject({ running: ['survivor'], failed: [] });
    expect((await containerizer.status('survivor')).gpus).toEqual(['GPU-1234', '1']);
    await expect(launch(gpus(1))).rejects.toMatchObject({ code: 'REFUSED' });
    await containerizer.destroy('survivor');
    expect((await launch(gpus(2))).gpus).toHaveLength(2);
  });

  it.each(['edits', 'prepare', 'isolate'])(
    'are let go of by a launch whose host program dies in %s',
    async (standsAt) => {
      const { program } = await startProgram({ id: 'unborn', ...gpus(2) }, standsAt);
      await expect(launch(gpus(1))).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringContaining('unborn') as string,
      });
      await kill(program);
      // One that was not yet the container's is nobody's at once; what may be is let go of by recovery.
      if (standsAt !== 'isolate') expect((await launch({ id: 'now', ...gpus(2) })).gpus).toHaveLength(2);
      const containerizer = await nextHost();
      expect(await containerizer.recover()).toMatchObject({ running: [], failed: [] });
      if (standsAt !== 'isolate') await host.containerizer.destroy('now');
      expect((await launch(gpus(2))).gpus).toHaveLength(2);
      expect(kept().filter((path) => path.includes('/reservations/'))).toEqual([]);
    },
  );

  it('are given to nobody while it cannot be read who has which, and let every container end', async () => {
    await launch({ id: 'a', ...gpus(1) });
    const plain = await launch({ id: 'plain' });
    const [path = ''] = kept();
    writeFileSync(path, '{');
    await expect(launch(gpus(1))).rejects.toMatchObject({
      code: 'CORRUPT_STATE',
      message: expect.stringContaining('destroy that container') as string,
      details: { path, container: 'a' },
    });
    for (const id of [plain.id, 'a']) {
      await host.containerizer.destroy(id);
      expect((await host.containerizer.status(id)).state).toBe('DESTROYED');
    }
    expect((await launch(gpus(2))).gpus).toHaveLength(2);
  });

  it('are among what a host is said to have', async () => {
    const found = await probe({ ...options, root: host.root });
    expect(found.find(({ name }) => name === 'NVIDIA GPUs')).toEqual({
      name: 'NVIDIA GPUs',
      works: true,
      detail: '0 GPU-1234, 1',
    });
    expect(found.find(({ name }) => name === 'CDI specifications')).toMatchObject({ works: false });
  });
});
