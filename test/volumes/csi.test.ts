import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import type { Containerizer, ContainerMount } from '@gantry/interface';
import { volumeCsi } from '@gantry/isolators/csi';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { readOutput, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';

const program = new URL('./support/csi-driver.mjs', import.meta.url).pathname;
const all = ['create', 'publish', 'stage'];

requires({ root: true, commands: ['mount', 'umount', 'grep'], packages: ['mount', 'grep'] })('volume/csi', () => {
  let host: TestHost;
  let folder: TemporaryFolder;
  let containerizer: Containerizer;
  let driver: ChildProcess;
  let log: string;
  let data: string;

  beforeAll(async () => {
    host = await startHost();
    folder = await temporaryFolder();
    log = join(folder.path, 'log');
    data = join(folder.path, 'data');
    containerizer = await open();
  });
  beforeEach(async () => {
    rmSync(data, { recursive: true, force: true });
    mkdirSync(data);
    writeFileSync(log, '');
    driver = await startDriver(all);
  });
  afterEach(async () => {
    for await (const { id } of containerizer.containers()) await containerizer.destroy(id);
    for await (const { id } of containerizer.containers()) await containerizer.remove(id);
    await stopDriver();
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(' csi ');
    const left = ['csi', 'csi-volumes'].flatMap((kind) => {
      const root = join(host.root, kind, 'tests');
      return existsSync(root) ? readdirSync(root) : [];
    });
    expect(left).toEqual([]);
  });
  afterAll(async () => {
    await containerizer[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const socket = () => join(folder.path, 'csi.sock');
  async function startDriver(abilities: readonly string[]): Promise<ChildProcess> {
    const child = spawn(process.execPath, [program, socket(), data, log, ...abilities], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, CSI_STATIC: 'static-1' },
    });
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    return child;
  }
  async function stopDriver() {
    if (driver.exitCode !== null || driver.signalCode !== null) return;
    const ended = once(driver, 'exit');
    driver.kill('SIGKILL');
    await ended;
  }
  async function restartDriver(abilities: readonly string[] = all) {
    await stopDriver();
    driver = await startDriver(abilities);
    await containerizer[Symbol.asyncDispose]();
    containerizer = await open();
    await containerizer.recover();
  }
  const secrets = { resolve: async () => 'open sesame' };
  const open = () =>
    createContainerizer({
      root: host.root,
      stateRoot: join(host.root, 'state-of-csi'),
      isolators: (own) => [
        ...own,
        volumeCsi({ drivers: { tmp: { node: socket() } }, volumes: { root: host.root, place: 'tests' }, secrets }),
      ],
    });
  const volume = (mount: object = {}): ContainerMount => ({
    type: 'csi',
    driver: 'tmp',
    volume: 'made',
    target: '/data',
    create: { size: 2 * 2 ** 20 },
    secrets: { key: { name: 'driver-key' } },
    ...mount,
  });
  const sleeping = (id: string, mount: object = {}) =>
    containerizer.launch({ id, image: host.image, command: ['/bin/sleep', '600'], mounts: [volume(mount)] });
  async function run(script: string, mount: object = {}) {
    const spec = { image: host.image, command: ['/bin/sh', '-c', script], mounts: [volume(mount)] };
    const { id } = await containerizer.launch(spec);
    await containerizer.wait(id);
    return (await readOutput(containerizer, id)).stdout;
  }
  const asked = () => ['GetPluginInfo', 'GetPluginCapabilities', 'Probe', 'NodeGetInfo'];
  const called = () =>
    readFileSync(log, 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[0] ?? '')
      .filter((name) => name !== '' && !name.endsWith('Capabilities') && !asked().includes(name));

  it('is made, attached, staged and published, and all is undone in reverse', async () => {
    const size = 'df -k /data | tail -n 1 | sed "s/  */ /g" | cut -d " " -f 2; echo x >/data/new && echo rw';
    expect(await run(size)).toBe('2048\nrw\n');
    expect(called()).toEqual([
      'CreateVolume',
      'ControllerPublishVolume',
      'NodeStageVolume',
      'NodePublishVolume',
      'NodeUnpublishVolume',
      'NodeUnstageVolume',
      'ControllerUnpublishVolume',
    ]);
  });

  it('is one that is there, of a driver that can do less', async () => {
    await restartDriver([]);
    expect(await run('touch /data/x && echo ok', { volume: 'static-1', create: undefined })).toBe('ok\n');
    expect(called()).toEqual(['NodePublishVolume', 'NodeUnpublishVolume']);
    const refused = run('true', { volume: 'new' });
    await expect(refused).rejects.toMatchObject({ code: 'REFUSED', details: { isolator: 'volume/csi' } });
  });

  it('is staged once for all who have it, and read-only for whom it is', async () => {
    await sleeping('one');
    expect(await run('echo x >/data/new || echo ro', { readonly: true })).toBe('ro\n');
    await Promise.all([sleeping('two'), sleeping('three')]);
    await containerizer.destroy('one');
    await containerizer.destroy('two');
    expect(called().filter((name) => /Stage|Unstage/.test(name))).toEqual(['NodeStageVolume']);
    const touch = await containerizer.exec('three', { command: ['/bin/touch', '/data/still'] });
    expect(await touch.exit).toMatchObject({ code: 0 });
    await touch[Symbol.asyncDispose]();
    await containerizer.destroy('three');
    expect(called().at(-2)).toBe('NodeUnstageVolume');
  });

  it('has its secrets nowhere on the disk', async () => {
    await sleeping('secret');
    const find = () => execFileSync('grep', ['-rlaF', 'open sesame', host.root], { encoding: 'utf8' });
    expect(find).toThrow(expect.objectContaining({ status: 1 }));
  });

  it.each(['CreateVolume', 'ControllerPublishVolume', 'NodeStageVolume', 'NodePublishVolume'])(
    'leaves nothing when %s fails, and works the next time',
    async (call) => {
      writeFileSync(join(data, `fail-${call}`), '');
      const error = await sleeping('failing').catch((cause: unknown) => cause);
      expect(error).toMatchObject({ code: 'SYSTEM', message: expect.stringContaining('failed as asked') });
      expect((await containerizer.status('failing')).failedSteps).toEqual([]);
      expect(await run('touch /data/x && echo ok')).toBe('ok\n');
    },
  );

  it.each(['ControllerPublishVolume', 'NodeStageVolume', 'NodePublishVolume'])(
    'is cleaned up by the next host program when the driver died in %s',
    async (call) => {
      writeFileSync(join(data, `die-${call}`), '');
      await expect(sleeping('unlucky')).rejects.toMatchObject({ code: 'UNREACHABLE' });
      await restartDriver();
      await containerizer.destroy('unlucky');
      expect((await containerizer.status('unlucky')).failedSteps).toEqual([]);
    },
  );

  it.each(['NodeUnpublishVolume', 'NodeUnstageVolume', 'ControllerUnpublishVolume'])(
    'is let go of though the driver died in %s',
    async (call) => {
      await sleeping('leaving');
      writeFileSync(join(data, `die-${call}`), '');
      await expect(containerizer.destroy('leaving')).rejects.toMatchObject({ code: 'CLEANUP_FAILED' });
      await restartDriver();
      await containerizer.destroy('leaving');
    },
  );

  it('is unmounted by the next host program', async () => {
    await sleeping('left');
    await restartDriver();
    expect((await containerizer.status('left')).state).toBe('RUNNING');
    await containerizer.destroy('left');
    expect(called().at(-1)).toBe('ControllerUnpublishVolume');
  });

  it('is refused of a driver that nobody knows, or that is not ready', async () => {
    await expect(run('true', { driver: 'other' })).rejects.toMatchObject({ code: 'REFUSED' });
    await restartDriver();
    writeFileSync(join(data, 'not-ready'), '');
    await expect(run('true')).rejects.toMatchObject({ code: 'UNREACHABLE' });
    const plain = host.containerizer.launch({ image: host.image, command: ['/bin/true'], mounts: [volume()] });
    await expect(plain).rejects.toMatchObject({ code: 'REFUSED', details: { serves: 'mounts.csi' } });
  });
});
