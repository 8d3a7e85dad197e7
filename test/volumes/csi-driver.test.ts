import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import type { Containerizer, ContainerSpec } from '@gantry/interface';
import { volumeCsi } from '@gantry/isolators/csi';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readOutput, startHost, type TestHost } from '../launch/host.js';
import { eventually } from '../support/eventually.mjs';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';

/** A folder with democratic-csi and what it depends on: docs/volumes.md says how it comes to be. */
const driver = process.env['GANTRY_CSI_DRIVER'] ?? '';
const program = join(driver, 'bin/democratic-csi');

requires({
  root: true,
  reasons: existsSync(program) ? [] : ['needs GANTRY_CSI_DRIVER: see docs/volumes.md'],
})('volume/csi of a driver that others wrote', () => {
  let host: TestHost;
  let folder: TemporaryFolder;
  let containerizer: Containerizer;
  let running: ChildProcess;
  beforeAll(async () => {
    host = await startHost();
    folder = await temporaryFolder();
    const share = join(folder.path, 'share');
    mkdirSync(share);
    const settings = {
      shareBasePath: share,
      controllerBasePath: share,
      dirPermissionsMode: '0777',
      dirPermissionsUser: 0,
      dirPermissionsGroup: 0,
    };
    // JSON is YAML.
    writeFileSync(
      join(folder.path, 'config'),
      JSON.stringify({ driver: 'local-hostpath', 'local-hostpath': settings }),
    );
    running = await startDriver();
    const volumes = { root: host.root, place: 'csi-driver' };
    containerizer = await createContainerizer({
      root: host.root,
      stateRoot: join(folder.path, 'state'),
      isolators: (own) => [...own, volumeCsi({ drivers: { local: { node: socket() } }, volumes })],
    });
  });
  afterAll(async () => {
    for await (const { id } of containerizer.containers()) await containerizer.destroy(id);
    await containerizer[Symbol.asyncDispose]();
    await stopDriver();
    await host[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const socket = () => join(folder.path, 'csi.sock');
  async function startDriver(): Promise<ChildProcess> {
    const options = ['--driver-config-file', join(folder.path, 'config'), '--server-socket', socket()];
    const names = [
      '--csi-name',
      'local.test',
      '--csi-version',
      '1.9.0',
      '--csi-mode',
      'controller',
      '--csi-mode',
      'node',
    ];
    const child = spawn(process.execPath, [program, '--log-level', 'error', ...options, ...names], {
      cwd: driver,
      env: { PATH: process.env['PATH'] ?? '', CSI_NODE_ID: 'here' },
      stdio: 'ignore',
    });
    await eventually(
      async () => existsSync(socket()),
      (listens) => listens,
      30_000,
    );
    return child;
  }
  async function stopDriver() {
    const ended = once(running, 'exit');
    running.kill('SIGKILL');
    await ended;
    rmSync(socket(), { force: true });
  }
  const spec = (script: string, mount: object = {}): ContainerSpec => ({
    image: host.image,
    command: ['/bin/sh', '-c', script],
    mounts: [
      {
        type: 'csi',
        driver: 'local',
        volume: 'scratch',
        target: '/data',
        create: { size: 2 ** 20 },
        accessMode: 'MULTI_NODE_MULTI_WRITER',
        ...mount,
      },
    ],
  });
  const run = async (script: string, mount: object = {}) => {
    const { id } = await containerizer.launch(spec(script, mount));
    await containerizer.wait(id);
    return (await readOutput(containerizer, id)).stdout;
  };
  /** What is published or staged, and what is recorded of it. */
  const left = () => {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').includes(`${host.root}/csi`) ? ['mounts'] : [];
    const places = ['csi', 'csi-volumes'].map((kind) => join(host.root, kind, 'csi-driver'));
    return [...mounts, ...places.flatMap((place) => (existsSync(place) ? readdirSync(place) : []))];
  };

  it('is made, staged, published, and undone; what was written is there the next time', async () => {
    expect(await run('echo kept >/data/file; grep -c " /data " /proc/self/mountinfo')).toBe('1\n');
    expect(left()).toEqual([]);
    expect(await run('cat /data/file; echo x 2>/dev/null >/data/new || echo ro', { readonly: true })).toBe(
      'kept\nro\n',
    );
    expect(left()).toEqual([]);
    expect(readFileSync(join(folder.path, 'share/v/scratch/file'), 'utf8')).toBe('kept\n');
  });

  it('is let go of though the driver was away, once it is back', async () => {
    const ids = [];
    for (let n = 0; n < 2; n++) ids.push((await containerizer.launch(spec('exec sleep 1000'))).id);
    await stopDriver();
    const [first = '', second = ''] = ids;
    await expect(containerizer.destroy(first)).rejects.toMatchObject({ code: 'CLEANUP_FAILED' });
    expect(left()).not.toEqual([]);
    running = await startDriver();
    // It is looked for again every half second.
    const isGone = (id: string) =>
      containerizer.destroy(id).then(
        () => true,
        () => false,
      );
    for (const id of [first, second])
      expect(
        await eventually(
          () => isGone(id),
          (gone) => gone,
        ),
      ).toBe(true);
    expect(left()).toEqual([]);
  });
});
