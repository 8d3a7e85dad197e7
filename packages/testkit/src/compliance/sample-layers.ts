import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { UnpackedImage } from '@gantry/interface';
import { quote, shell } from './root-view.js';

/** A file capability: `cap_net_raw=ep`. */
export const capabilityHex = '0x0100000200200000000000000000000000000000';

/** Everything an image may hold, in one layer. */
const lowest = `
mkdir -p bin dev etc opt/tool opt/kept srv usr/lib
printf lowest > etc/name
printf lowest > etc/gone
printf 'root:x:0:0' > etc/passwd
ln -s passwd etc/relative
ln -s /etc/passwd etc/absolute
ln -s ../../../../../../../../etc/passwd etc/escape
ln -s /../../../proc/self/root/etc/hostname etc/host
ln -s usr/lib lib
printf NAME=x > usr/lib/os-release
printf one > opt/tool/one
printf one > opt/kept/one
printf twin > bin/a
ln bin/a bin/b
ln bin/a usr/lib/c
printf ping > bin/ping
chown 1234:2345 bin/ping
chmod 4755 bin/ping
setfattr -n user.note -v 'a note' bin/ping
setfattr -n security.capability -v ${capabilityHex} bin/ping
truncate -s 1048576 srv/sparse
printf end | dd of=srv/sparse bs=1 seek=1048573 conv=notrunc status=none
mknod dev/null c 1 3
mkfifo srv/fifo
printf bytes > "srv/$(printf 'n\\377\\376')"
mkdir srv/private
chmod 1750 srv/private
chown 7:8 srv/private
touch -d @1000000000 bin/a srv/private
`;

const middle = `
mkdir -p etc opt srv
printf middle > etc/name
mknod etc/gone c 0 0
mknod opt/kept c 0 0
printf 'a file now' > lib
`;

const highest = `
mkdir -p etc opt/kept srv/added
printf highest > etc/name
printf two > opt/kept/two
`;

/** Replaces `opt/tool` as a container would, so that the kernel itself marks the folder. */
const replaceTool = 'rm -r opt/tool && mkdir opt/tool && printf two > opt/tool/two';

/**
 * Makes three layers in overlayfs form below a folder, with the machine's own tools; only the lowest if `count` is 1. Gives
 * their paths, lowest first.
 */
export async function makeSampleLayers(folder: string, count: 1 | 3): Promise<readonly string[]> {
  const paths = Array.from({ length: count }, (_, index) => join(folder, `layer${index + 1}`));
  for (const path of paths) await mkdir(path, { recursive: true, mode: 0o755 });
  const [first = '', second, third] = paths;
  await fill(first, lowest);
  if (second !== undefined && third !== undefined) {
    await fill(second, middle);
    await inOverlay(folder, first, second, replaceTool);
    await fill(third, highest);
  }
  return paths;
}

function fill(path: string, script: string): Promise<string> {
  return shell(`umask 022; cd ${quote(path)}; chmod 755 .\n${script}`);
}

async function inOverlay(folder: string, lower: string, upper: string, script: string): Promise<void> {
  const [work, merged] = [join(folder, 'work'), join(folder, 'merged')];
  await mkdir(work);
  await mkdir(merged);
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
  await shell(`mount -t overlay -o ${quote(options)} overlay ${quote(merged)}; cd ${quote(merged)}; ${script}`, [
    'unshare',
    '--mount',
  ]);
}

/** An unpacked image of layers, with nothing else in it that a provisioner would look at. */
export function sampleImage(layerPaths: readonly string[]): UnpackedImage {
  const digest = `sha256:${'0'.repeat(64)}` as const;
  const descriptor = { mediaType: 'application/json', digest, size: 0 };
  return {
    reference: 'localhost/sample:1',
    digest,
    manifest: descriptor,
    configDescriptor: descriptor,
    config: {
      platform: { os: 'linux', architecture: 'amd64' },
      user: '',
      entrypoint: [],
      cmd: [],
      env: [],
      workingDir: '',
      stopSignal: '',
      exposedPorts: [],
      volumes: [],
      labels: new Map(),
    },
    layers: [],
    layerPaths,
  };
}
