import assert from 'node:assert/strict';
import type { Bench } from './provisioner-bench.js';
import { inRoot, quote, shell } from './root-view.js';
import { capabilityHex } from './sample-layers.js';

/** A line an entry: path, type, mode, owner, size (of files) and, of links, the target. */
const listing = `find . -mindepth 1 \\( -type f -printf '%P %y %m %U:%G %s\\n' \\) -o \\( -printf '%P %y %m %U:%G %l\\n' \\) | sort`;

const common = [
  'bin d 755 0:0 ',
  'bin/a f 644 0:0 4',
  'bin/b f 644 0:0 4',
  'bin/ping f 4755 1234:2345 4',
  'dev d 755 0:0 ',
  'dev/null c 644 0:0 ',
  'etc d 755 0:0 ',
  'etc/absolute l 777 0:0 /etc/passwd',
  'etc/escape l 777 0:0 ../../../../../../../../etc/passwd',
  'etc/host l 777 0:0 /../../../proc/self/root/etc/hostname',
  'etc/passwd f 644 0:0 10',
  'etc/relative l 777 0:0 passwd',
  'opt d 755 0:0 ',
  'opt/kept d 755 0:0 ',
  'opt/tool d 755 0:0 ',
  'srv d 755 0:0 ',
  'srv/fifo p 644 0:0 ',
  'srv/n\xff\xfe f 644 0:0 5',
  'srv/private d 1750 7:8 ',
  'srv/sparse f 644 0:0 1048576',
  'usr d 755 0:0 ',
  'usr/lib d 755 0:0 ',
  'usr/lib/c f 644 0:0 4',
  'usr/lib/os-release f 644 0:0 6',
];

const ofOneLayer = [
  'etc/gone f 644 0:0 6',
  'etc/name f 644 0:0 6',
  'lib l 777 0:0 usr/lib',
  'opt/kept/one f 644 0:0 3',
  'opt/tool/one f 644 0:0 3',
];

const ofThreeLayers = [
  'etc/name f 644 0:0 7',
  'lib f 644 0:0 10',
  'opt/kept/two f 644 0:0 3',
  'opt/tool/two f 644 0:0 3',
  'srv/added d 755 0:0 ',
];

async function provision({ provisioner, image }: Bench) {
  return provisioner.provision('one', image);
}

/** What containers see in their roots. */
export const contentTests: ReadonlyMap<string, (bench: Bench) => Promise<void>> = new Map([
  [
    'holds every entry of the image with its owner and mode, what upper layers hide left out',
    async (bench) => {
      const shown = await inRoot(await provision(bench), listing);
      const expected = [...common, ...(bench.layers === 'one' ? ofOneLayer : ofThreeLayers)];
      // Sorted as sort does, by bytes.
      assert.deepEqual(shown.split('\n').filter(Boolean), expected.sort(byBytes));
    },
  ],
  [
    'has the mode and owner of the topmost layer, whatever the umask',
    async (bench) => {
      await shell(`chmod 1751 ${quote(topOf(bench))}; chown 3:4 ${quote(topOf(bench))}`);
      const umask = process.umask(0o077);
      try {
        assert.equal(await inRoot(await provision(bench), "stat -c '%a %u:%g' ."), '1751 3:4\n');
      } finally {
        process.umask(umask);
      }
    },
  ],
  [
    'shows the topmost file of a name',
    async (bench) => {
      const name = bench.layers === 'one' ? 'lowest' : 'highest';
      assert.equal(
        await inRoot(await provision(bench), 'cat etc/name; cat opt/tool/*'),
        `${name}${bench.layers === 'one' ? 'one' : 'two'}`,
      );
    },
  ],
  [
    'keeps hard links, holes, devices and times',
    async (bench) => {
      const script = `
        test "$(stat -c %i bin/a)" = "$(stat -c %i bin/b)"; test "$(stat -c %i bin/a)" = "$(stat -c %i usr/lib/c)"
        stat -c '%h %t:%T %Y' bin/a dev/null srv/private | cut -d' ' -f1,2,3
        test "$(stat -c %b srv/sparse)" -lt 64; tail -c 3 srv/sparse; od -An -tx1 -N2 srv/sparse`;
      const lines = (await inRoot(await provision(bench), script)).split('\n');
      assert.match(lines[0] ?? '', /^3 0:0 1000000000$/);
      assert.match(lines[1] ?? '', /^1 1:3 \d+$/);
      assert.match(lines[2] ?? '', /^\d+ 0:0 1000000000$/);
      assert.match(lines[3] ?? '', /^end 00 00$/);
    },
  ],
  [
    'keeps extended attributes and file capabilities byte for byte',
    async (bench) => {
      const script = `getfattr -d -m - -e hex bin/ping | grep -v -e '^#' -e overlay | sort`;
      const note = `0x${Buffer.from('a note').toString('hex')}`;
      const expected = `\nsecurity.capability=${capabilityHex}\nuser.note=${note}\n`;
      assert.equal((await inRoot(await provision(bench), script)).replace(/^\n?/, '\n'), expected);
    },
  ],
  [
    'is private: what one container writes, no other sees, and no layer keeps',
    async (bench) => {
      const { provisioner, image, writable, layerPaths } = bench;
      const before = await snapshot(layerPaths);
      const one = await provisioner.provision('one', image);
      const change = 'printf x > new; rm -r etc; printf changed > bin/a; rm opt/tool/*; chmod 700 srv; ls';
      if (!writable) {
        await assert.rejects(inRoot(one, 'printf x > new'), /Read-only file system/);
      } else {
        assert.doesNotMatch(await inRoot(one, change), /^etc$/m);
        // What was written is there the next time, for this container alone.
        assert.equal(await inRoot(one, 'cat new bin/a; test ! -e etc'), 'xchanged');
        const other = await provisioner.provision('other', image);
        assert.equal(await inRoot(other, 'cat bin/a; test ! -e new; ls etc/passwd'), 'twinetc/passwd\n');
        await provisioner.destroy('other');
      }
      await provisioner.destroy('one');
      assert.equal(await snapshot(layerPaths), before);
    },
  ],
]);

/** For provisioners that take images of one layer only. */
export const oneLayerTests: ReadonlyMap<string, (bench: Bench) => Promise<void>> = new Map([
  [
    'of an image of several layers is refused with a typed error where only one is taken',
    async ({ provisioner, image, layerPaths, ids }) => {
      const [only = ''] = layerPaths;
      const several = { image: { ...image.image, layerPaths: [only, only] } };
      await assert.rejects(provisioner.provision('one', several), { code: 'REFUSED' });
      assert.deepEqual(await ids(), []);
    },
  ],
]);

function topOf({ layerPaths }: Bench): string {
  return layerPaths.at(-1) ?? '';
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, 'latin1'), Buffer.from(b, 'latin1'));
}

/** Everything about the layers that could change, in a text. */
function snapshot(paths: readonly string[]): Promise<string> {
  const folders = paths.map(quote).join(' ');
  return shell(`
    find ${folders} -printf '%p %y %m %U:%G %s %T@ %C@ %n %l\\n' | sort
    find ${folders} -type f -exec sha256sum {} + | sort`);
}
