import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BuiltImage, buildImage, startRegistry, type TestRegistry } from '../src/index.js';

const run = promisify(execFile);

function isInstalled(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

let folder: string;
let registry: TestRegistry;
let image: BuiltImage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-peers-'));
  registry = await startRegistry({ auth: { bearer: { username: 'me', password: 'secret' } } });
  image = await buildImage({
    layers: [[{ path: 'hello', type: 'file', content: 'hello\n', uid: 1000 }], [{ path: '.wh.hello', type: 'file' }]],
    config: { Cmd: ['/hello'], Labels: { made: 'here' } },
  });
});
afterEach(async () => {
  await image[Symbol.asyncDispose]();
  await registry.close();
  await rm(folder, { recursive: true });
});

describe.skipIf(!isInstalled('skopeo'))('skopeo (skipped where it is absent: apt-get install skopeo)', () => {
  it('pushes our layout to our registry and pulls it back the same', async () => {
    const source = join(folder, 'source');
    const copy = join(folder, 'copy');
    const remote = `docker://${registry.address}/some/image:1`;
    await image.writeLayout(source, 'one');
    await run('skopeo', ['copy', '--dest-tls-verify=false', '--dest-creds=me:secret', `oci:${source}:one`, remote]);
    await run('skopeo', ['copy', '--src-tls-verify=false', '--src-creds=me:secret', remote, `oci:${copy}:two`]);
    const index = JSON.parse(await readFile(join(copy, 'index.json'), 'utf8'));
    expect(index.manifests[0]).toMatchObject({ digest: image.manifest.digest, size: image.manifest.size });
    const { stdout } = await run('skopeo', ['inspect', '--tls-verify=false', '--creds=me:secret', remote]);
    expect(JSON.parse(stdout)).toMatchObject({
      Labels: { made: 'here' },
      RepoTags: ['1'],
      Digest: image.manifest.digest,
    });
  });

  it('is refused with a wrong login', async () => {
    await image.writeLayout(folder);
    const remote = `docker://${registry.address}/some/image:1`;
    const args = ['copy', '--dest-tls-verify=false', '--dest-creds=me:wrong', `oci:${folder}:latest`, remote];
    await expect(run('skopeo', args)).rejects.toThrow(/unauthorized|invalid username/);
  });
});

describe.skipIf(process.getuid?.() !== 0 || !isInstalled('buildah'))(
  'buildah (skipped without root, or where it is absent: apt-get install buildah)',
  () => {
    it('pulls our image, adds to it and pushes it', async () => {
      const storage = ['--storage-driver', 'vfs', '--root', join(folder, 'root'), '--runroot', join(folder, 'run')];
      const buildah = async (...args: string[]) => (await run('buildah', [...storage, ...args])).stdout.trim();
      const login = ['--tls-verify=false', '--creds=me:secret'];
      await image.writeLayout(join(folder, 'layout'));
      await run('skopeo', [
        ...['copy', '--dest-tls-verify=false', '--dest-creds=me:secret'],
        ...[`oci:${join(folder, 'layout')}:latest`, `docker://${registry.address}/base:1`],
      ]);
      const container = await buildah('from', ...login, `docker://${registry.address}/base:1`);
      const root = await buildah('mount', container);
      await expect(readFile(join(root, 'hello'))).rejects.toMatchObject({ code: 'ENOENT' });
      await buildah('copy', container, join(folder, 'layout', 'oci-layout'), '/added');
      await buildah('commit', ...login, container, `docker://${registry.address}/derived:1`);
      const { stdout } = await run('skopeo', [
        ...['inspect', '--tls-verify=false', '--creds=me:secret', `docker://${registry.address}/derived:1`],
      ]);
      expect(JSON.parse(stdout).Layers.slice(0, 2)).toEqual(image.layers.map(({ descriptor }) => descriptor.digest));
      expect(JSON.parse(stdout).Layers).toHaveLength(3);
      await buildah('rm', '--all');
    });
  },
);
