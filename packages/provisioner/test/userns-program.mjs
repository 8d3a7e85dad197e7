// Runs in a user namespace with a mount namespace of its own; writes what it sees as JSON. Its argument is an empty folder.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { addon } from '@gantry/native';
import { createProvisioner } from '@gantry/provisioner';

const [folder = ''] = process.argv.slice(2);
const metadata = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, xattrs: [] };

/**
 * @param {string} name
 * @param {(layer: import('@gantry/native').RootDirectory) => void} fill
 */
function makeLayer(name, fill) {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  const layer = new (addon().RootDirectory)(path);
  fill(layer);
  layer.close();
  return path;
}

/** @param {string} text */
const bytes = (text) => Buffer.from(text);
const layerPaths = [
  makeLayer('lower', (layer) => {
    for (const name of ['etc/one', 'etc/gone', 'opt/old']) layer.file(bytes(name), bytes('lower'), metadata);
  }),
  makeLayer('upper', (layer) => {
    layer.whiteout(bytes('etc/gone'));
    layer.opaque(bytes('opt'));
    layer.file(bytes('opt/new'), bytes('upper'), metadata);
  }),
];
// A provisioner looks at the layers alone.
const image = /** @type {import('@gantry/interface').UnpackedImage} */ (/** @type {unknown} */ ({ layerPaths }));

const auto = createProvisioner({ root: join(folder, 'auto') });
const [overlay] = await auto.probe();
const { mount, path, readFile } = await auto.provision('one', { image });
const found = await Promise.all(['etc/one', 'etc/gone', 'opt/old', 'opt/new'].map((name) => readFile(name)));

let shown = '';
if (mount.type === 'overlay') {
  const options = `lowerdir=${[...mount.lower].reverse().join(':')},upperdir=${mount.upper},workdir=${mount.work},userxattr`;
  const script =
    'mount -t overlay -o "$1" overlay "$2" && cd "$2" && rm etc/one && rm -r opt && mkdir opt && find . | sort && cd / && umount "$2"';
  const { stdout, stderr } = spawnSync('sh', ['-euc', script, '-', options, path], { encoding: 'utf8' });
  shown = stdout + stderr;
}

const changes = [];
for await (const piece of auto.changes('one')) changes.push(piece);

const copies = createProvisioner({ root: join(folder, 'copy'), backend: 'copy' });
const copied = await copies.provision('one', { image });
const cwd = copied.mount.type === 'directory' ? copied.mount.source : '';
const copy = spawnSync('find', ['.'], { cwd, encoding: 'utf8' }).stdout;

const destroyed = [await auto.destroy('one'), await copies.destroy('one')];

console.log(
  JSON.stringify({
    overlay,
    userxattr: mount.type === 'overlay' && mount.userxattr,
    found: found.map((file) => (file ? Buffer.from(file).toString() : null)),
    shown: shown.split('\n').filter(Boolean),
    changes: Buffer.concat(changes).toString('latin1'),
    destroyed,
    copy: copy.split('\n').filter(Boolean).sort(),
  }),
);
