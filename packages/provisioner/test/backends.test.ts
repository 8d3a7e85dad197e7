import { spawnSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BackendAbility, UnpackedImage } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createProvisioner } from '../src/index.js';
import { makeLayer } from './layer-builder.js';

// Processes are started in namespaces of their own.
vi.setConfig({ testTimeout: 60_000 });

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-backends-'));
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

const imageOf = (layerPaths: readonly string[]) => ({ image: { layerPaths } as unknown as UnpackedImage });
const isRoot = process.getuid?.() === 0;

/** What a process says of its provisioner on the folder that the script makes; in mounts of its own. */
function probeAfter(script: string): readonly BackendAbility[] {
  const program = `
    import { createProvisioner } from '@gantry/provisioner';
    console.log(JSON.stringify(await createProvisioner({ root: process.argv[1] }).probe()));`;
  const command = `${script}; exec node --input-type=module -e "$1" "$2"`;
  const args = ['--mount', 'sh', '-euc', command, '-', program, join(root, 'mounted', 'root')];
  const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', cwd: import.meta.dirname });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as readonly BackendAbility[];
}

describe('createProvisioner', () => {
  it('refuses a backend that it does not know', () => {
    expect(() => createProvisioner({ root, backend: 'aufs' as 'auto' })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'backend' } }),
    );
  });

  it('gives a root of the backend that is named', async () => {
    const layer = await makeLayer(join(root, 'layer'), { file: 'x' });
    const mounts = await Promise.all(
      (['overlay', 'copy', 'bind'] as const).map(async (backend) => {
        const provisioner = createProvisioner({ root: join(root, backend), backend });
        return (await provisioner.provision('one', imageOf([layer]))).mount;
      }),
    );
    const inFolder = (backend: string, name: string) => join(root, backend, 'containers', 'one', name);
    expect(mounts).toEqual([
      { type: 'overlay', lower: [layer], upper: inFolder('overlay', 'upper'), work: inFolder('overlay', 'work') },
      { type: 'directory', source: inFolder('copy', 'copy') },
      { type: 'directory', source: layer, readonly: true },
    ]);
    expect(await readdir(inFolder('copy', 'copy'))).toEqual(['file']);
    expect(await readdir(join(root, 'bind', 'containers', 'one'))).toEqual(['rootfs']);
  });

  it('gives a folder of the host read-only if it is to bind', async () => {
    const { mount } = await createProvisioner({ root, backend: 'bind' }).provision('one', { directory: root });
    expect(mount).toEqual({ type: 'directory', source: root, readonly: true });
  });
});

describe('an image of more layers than the kernel stacks', () => {
  it('is refused by the overlay backend, which names the copy backend', async () => {
    const layer = await makeLayer(join(root, 'layer'), { file: 'x' });
    const image = (count: number) => imageOf(Array.from({ length: count }, () => layer));
    const provisioner = createProvisioner({ root: join(root, 'p'), backend: 'overlay' });
    expect((await provisioner.describe('one', image(500))).mount).toMatchObject({ type: 'overlay' });
    await expect(provisioner.provision('one', image(501))).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('copy backend'),
      details: { backend: 'overlay', layers: 501, limit: 500 },
    });
    expect((await createProvisioner({ root: join(root, 'q') }).describe('one', image(501))).mount).toMatchObject({
      type: 'directory',
    });
  });
});

describe('probe', () => {
  it('says of each backend what it can do, and leaves nothing', async () => {
    const provisioner = createProvisioner({ root: join(root, 'made') });
    const abilities = await provisioner.probe();
    expect(abilities.map(({ backend }) => backend)).toEqual(['overlay', 'copy', 'bind']);
    for (const { works, reason } of abilities) expect(reason === undefined).toBe(works);
    expect(await readdir(join(root, 'made'))).toEqual([]);
    const { mount } = await provisioner.describe('one', imageOf([await makeLayer(join(root, 'layer'), {})]));
    expect(mount.type).toBe(abilities[0]?.works ? 'overlay' : 'directory');
  });

  it('removes what a killed process left long ago, and nothing that is under way', async () => {
    await mkdir(join(root, 'trial-old1'));
    await utimes(join(root, 'trial-old1'), 1000, 1000);
    await mkdir(join(root, 'trial-new1'));
    await createProvisioner({ root }).probe();
    expect(await readdir(root)).toEqual(['trial-new1']);
  });

  it('is tried again where it could not be made out', async () => {
    const provisioner = createProvisioner({ root: join(root, 'file', 'below') });
    await makeLayer(root, { file: 'in the way' });
    await expect(provisioner.probe()).rejects.toMatchObject({ code: 'SYSTEM', details: { errno: 'ENOTDIR' } });
    await rm(join(root, 'file'));
    expect(await provisioner.probe()).toHaveLength(3);
  });

  it('aborts', async () => {
    const probed = createProvisioner({ root }).probe({ signal: AbortSignal.abort() });
    await expect(probed).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe.skipIf(!isRoot)('probe of a folder that is not fit (needs root: mounts)', () => {
  const mounted = () => join(root, 'mounted');

  it('finds an overlay on an overlay not to work, and says why', () => {
    const script = `(cd ${root}; mkdir l u w mounted; mount -t overlay -o lowerdir=l,upperdir=u,workdir=w o mounted)`;
    const [overlay, copy] = probeAfter(script);
    expect(overlay).toMatchObject({ backend: 'overlay', works: false });
    expect(overlay?.reason).toContain(`the file system of ${mounted()}/root (overlay)`);
    expect(copy).toMatchObject({ backend: 'copy', works: true });
  });

  it('finds a file system without attributes not to work, though it can be mounted', () => {
    const [overlay] = probeAfter(`mkdir ${mounted()}; mount -t ramfs r ${mounted()}`);
    expect(overlay).toMatchObject({ works: false });
    expect(overlay?.reason).toMatch(/\(ramfs\).*put it on ext4/);
  });

  it('finds tmpfs to work', () => {
    const abilities = probeAfter(`mkdir ${mounted()}; mount -t tmpfs t ${mounted()}`);
    expect(abilities.map(({ works }) => works)).toEqual([true, true, true]);
  });
});

const userNamespace = ['--user', '--map-root-user', '--mount'];
const hasUserNamespaces = spawnSync('unshare', [...userNamespace, 'true']).status === 0;

describe.skipIf(!hasUserNamespaces)('in a user namespace (needs a kernel that lets this user make one)', () => {
  /** As an ordinary user, if the test has the choice. */
  const ordinary = isRoot ? { uid: 65534, gid: 65534 } : {};

  function inNamespace(options: readonly string[], args: readonly string[]): string {
    const { stdout, stderr, status } = spawnSync('unshare', [...options, process.execPath, ...args], {
      encoding: 'utf8',
      cwd: import.meta.dirname,
      ...ordinary,
    });
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
    return stdout;
  }

  it('an overlay marks its folders with attributes of users', async () => {
    await chmod(root, 0o777);
    const folder = join(root, 'of-user');
    const program = fileURLToPath(new URL('userns-program.mjs', import.meta.url));
    const shown = JSON.parse(inNamespace(userNamespace, [program, folder])) as Record<string, unknown>;
    expect(shown).toMatchObject({
      overlay: { backend: 'overlay', works: true },
      userxattr: true,
      found: ['lower', null, null, 'upper'],
      shown: ['.', './etc', './opt'],
      changes: expect.stringMatching(/etc\/\.wh\.one\0[\s\S]*opt\/\.wh\.\.wh\.\.opq\0/),
      copy: ['.', './etc', './etc/one', './opt', './opt/new'],
      destroyed: [true, true],
    });
  });

  it('an overlay is not for a program whose mount namespace is not its own', async () => {
    await chmod(root, 0o777);
    const program = `
      import { createProvisioner } from '@gantry/provisioner';
      console.log(JSON.stringify(await createProvisioner({ root: process.argv[1] }).probe()));`;
    const folder = join(root, 'of-user');
    const stdout = inNamespace(['--user', '--map-root-user'], ['--input-type=module', '-e', program, folder]);
    const [overlay, copy] = JSON.parse(stdout) as readonly BackendAbility[];
    expect(overlay).toMatchObject({ works: false, reason: expect.stringContaining('--map-root-user --mount') });
    expect(copy).toMatchObject({
      works: true,
      limits: expect.arrayContaining([expect.stringContaining('device nodes')]),
    });
  });
});
