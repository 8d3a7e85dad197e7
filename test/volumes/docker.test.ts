import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import type { Containerizer, ContainerMount, ContainerSpec } from '@gantry/interface';
import { createIsolators, detectCgroups } from '@gantry/isolators';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { readOutput, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';

const program = new URL('./support/volume-plugin.mjs', import.meta.url).pathname;

requires({ root: true, commands: ['mount', 'umount'], packages: ['mount'] })('docker/volume', () => {
  let host: TestHost;
  let folder: TemporaryFolder;
  let containerizer: Containerizer;
  let plugin: ChildProcess;
  let log: string;

  beforeAll(async () => {
    host = await startHost();
    folder = await temporaryFolder();
    for (const name of ['plugins', 'specs', 'data']) mkdirSync(join(folder.path, name));
    log = join(folder.path, 'log');
    containerizer = await open();
  });
  beforeEach(async () => {
    writeFileSync(log, '');
    plugin = await startPlugin();
  });
  afterEach(async () => {
    for await (const { id } of containerizer.containers()) await containerizer.destroy(id);
    for await (const { id } of containerizer.containers()) await containerizer.remove(id);
    await stopPlugin();
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder.path);
    const left = ['docker-volumes', 'docker-mounts'].flatMap((kind) => {
      const root = join(host.root, kind);
      return existsSync(root) ? readdirSync(root).flatMap((place) => readdirSync(join(root, place))) : [];
    });
    expect(left).toEqual([]);
  });
  afterAll(async () => {
    await containerizer[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const socket = () => join(folder.path, 'plugins', 'tmp.sock');
  async function startPlugin(): Promise<ChildProcess> {
    const child = spawn(process.execPath, [program, socket(), join(folder.path, 'data'), log], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    return child;
  }
  async function stopPlugin() {
    if (plugin.exitCode !== null || plugin.signalCode !== null) return;
    const ended = once(plugin, 'exit');
    plugin.kill('SIGKILL');
    await ended;
  }
  const open = () =>
    createContainerizer({
      root: host.root,
      stateRoot: join(host.root, 'state-of-plugins'),
      dockerPlugins: { sockets: join(folder.path, 'plugins'), specs: [join(folder.path, 'specs')] },
    });
  const volume = (mount: object = {}): ContainerMount => ({
    type: 'docker',
    driver: 'tmp',
    name: 'vol',
    target: '/data',
    ...mount,
  });
  const sleeping = (id: string, mount: object = {}) =>
    containerizer.launch({ id, image: host.image, command: ['/bin/sleep', '600'], mounts: [volume(mount)] });
  async function run(script: string, mount: object = {}, spec: Partial<ContainerSpec> = {}) {
    const launched = { image: host.image, command: ['/bin/sh', '-c', script], mounts: [volume(mount)], ...spec };
    const { id } = await containerizer.launch(launched);
    await containerizer.wait(id);
    return (await readOutput(containerizer, id)).stdout;
  }
  const called = (method: string) =>
    readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith(`VolumeDriver.${method} `)).length;

  it('is made, mounted while a container has it, and as it was made', async () => {
    const stdout = await run(
      'df -k /data | tail -n 1 | sed "s/  */ /g" | cut -d " " -f 2; echo x >/data/new && echo rw',
      {
        options: { size: '2m' },
        name: 'sized',
      },
    );
    expect(stdout).toBe('2048\nrw\n');
    expect([called('Create'), called('Mount'), called('Unmount')]).toEqual([1, 1, 1]);
    expect(await run('echo x >/data/new || echo ro', { name: 'sized', readonly: true })).toBe('ro\n');
    expect(called('Create')).toBe(1);
  });

  it('is mounted once for all who have it, and unmounted by the last', async () => {
    await Promise.all([sleeping('one'), sleeping('two'), sleeping('three')]);
    expect(called('Mount')).toBe(1);
    await containerizer.destroy('one');
    await containerizer.destroy('three');
    expect(called('Unmount')).toBe(0);
    const touch = await containerizer.exec('two', { command: ['/bin/touch', '/data/still'] });
    expect(await touch.exit).toMatchObject({ code: 0 });
    await touch[Symbol.asyncDispose]();
    await containerizer.destroy('two');
    expect(called('Unmount')).toBe(1);
  });

  it('is found by a file that names its socket', async () => {
    writeFileSync(join(folder.path, 'specs', 'named.spec'), `unix://${socket()}\n`);
    writeFileSync(
      join(folder.path, 'specs', 'json.json'),
      JSON.stringify({ Name: 'json', Addr: `unix://${socket()}` }),
    );
    writeFileSync(join(folder.path, 'specs', 'tcp.spec'), 'tcp://localhost:1');
    expect(await run('touch /data/x && echo ok', { driver: 'named' })).toBe('ok\n');
    expect(await run('touch /data/x && echo ok', { driver: 'json' })).toBe('ok\n');
    await expect(run('true', { driver: 'tcp' })).rejects.toMatchObject({ code: 'REFUSED' });
    await expect(run('true', { driver: 'absent' })).rejects.toMatchObject({
      code: 'REFUSED',
      details: { isolator: 'docker/volume' },
    });
  });

  it('fails the launch with what the plugin says, and leaves nothing', async () => {
    const failed = run('true', { name: 'bad', options: { refuse: 'yes' } });
    await expect(failed).rejects.toMatchObject({
      code: 'SYSTEM',
      message: expect.stringContaining('refused as asked'),
    });
  });

  it('is unmounted though the plugin died between the mount and its answer', async () => {
    writeFileSync(join(folder.path, 'data', 'die-VolumeDriver.Mount'), '');
    await expect(sleeping('unlucky')).rejects.toMatchObject({ code: 'UNREACHABLE' });
    const { failedSteps } = await containerizer.status('unlucky');
    expect(failedSteps).toMatchObject([{ name: 'isolator docker/volume' }]);
    plugin = await startPlugin();
    await containerizer.destroy('unlucky');
    expect(called('Unmount')).toBe(1);
  });

  it('is let go of though the plugin died between the unmount and its answer', async () => {
    await sleeping('unlucky');
    writeFileSync(join(folder.path, 'data', 'die-VolumeDriver.Unmount'), '');
    await expect(containerizer.destroy('unlucky')).rejects.toMatchObject({ code: 'CLEANUP_FAILED' });
    plugin = await startPlugin();
    await containerizer.destroy('unlucky');
    expect(called('Unmount')).toBe(2);
  });

  it('is unmounted by the next host program if the one before died', async () => {
    await sleeping('left');
    await containerizer[Symbol.asyncDispose]();
    // One that was between its records and the container's folder.
    containerizer = await open();
    expect((await containerizer.recover()).running).toEqual(['left']);
    await containerizer.destroy('left');
    expect(called('Unmount')).toBe(1);
    const place = readdirSync(join(host.root, 'docker-volumes'))[0] ?? '';
    const isolators = createIsolators({
      cgroups: await detectCgroups(),
      volumes: { root: host.root, place },
      dockerPlugins: { sockets: join(folder.path, 'plugins') },
    });
    const isolator = isolators.find(({ name }) => name === 'docker/volume');
    await isolator?.prepare?.({ id: 'stray', spec: { mounts: [volume()] } } as never);
    expect(called('Mount')).toBe(2);
    expect((await containerizer.recover()).cleaned).toContain('stray');
    expect(called('Unmount')).toBe(2);
  });
});
