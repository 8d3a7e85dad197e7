import type { ContainerMount, ContainerSpec, PrepareContext } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { hostMount } from '../src/volume/host-mount.js';
import { volumeHostPath } from '../src/volume/host-path.js';
import { imageMount } from '../src/volume/image.js';
import { mountsOf } from '../src/volume/mounts.js';
import { mountOf } from '../src/volume/propagation.js';
import { sandboxSource } from '../src/volume/sandbox-source.js';
import { tmpfsMount } from '../src/volume/tmpfs.js';
import { contextOf } from './context.js';

const bind = { type: 'bind', source: '/s', target: '/d', destination: '/d' } as const;

describe('a bind of the spec', () => {
  it.each([
    [{}, ['rbind', 'rprivate', 'rnodev', 'rw']],
    [{ readonly: true }, ['rbind', 'rprivate', 'rnodev', 'rro']],
    [{ readonly: 'shallow' } as const, ['rbind', 'rprivate', 'rnodev', 'ro']],
    [{ readonly: true, recursive: false }, ['bind', 'rprivate', 'nodev', 'ro']],
    [
      { nosuid: true, noexec: true, propagation: 'rslave' } as const,
      ['rbind', 'rslave', 'rnodev', 'rnosuid', 'rnoexec', 'rw'],
    ],
  ])('with %j has the options %j', (asked, options) => {
    expect(hostMount({ ...bind, ...asked })).toEqual({ destination: '/d', type: 'bind', source: '/s', options });
  });

  it('has ids as the file system has them on the inside of the map', () => {
    const idmap = { uids: [{ source: 0, target: 7, size: 2 }], gids: [{ source: 1, target: 8, size: 3 }] };
    expect(hostMount({ ...bind, idmap })).toMatchObject({
      options: expect.arrayContaining(['ridmap']),
      uidMappings: [{ containerID: 0, hostID: 7, size: 2 }],
      gidMappings: [{ containerID: 1, hostID: 8, size: 3 }],
    });
  });

  it('says which source is missing', async () => {
    const mounts: ContainerMount[] = [{ type: 'bind', source: '/nonexistent/source', target: '/x' }];
    const refused = expect.objectContaining({
      code: 'REFUSED',
      message: expect.stringContaining('/nonexistent/source'),
    });
    await expect(volumeHostPath().edits(contextOf({ mounts }))).rejects.toThrow(refused);
    await expect(volumeHostPath().pins?.(contextOf({ mounts }))).rejects.toThrow(refused);
  });
});

it('a tmpfs has a size and a mode whatever is asked', () => {
  const tmpfs = { type: 'tmpfs', target: '/t', destination: '/t' } as const;
  expect(tmpfsMount(tmpfs).options).toEqual(['nosuid', 'nodev', 'mode=1777', 'size=67108864']);
  expect(tmpfsMount({ ...tmpfs, mode: 0o700, size: 4096, uid: 1, gid: 2, inodes: 3 }).options).toEqual([
    'nosuid',
    'nodev',
    'mode=0700',
    'size=4096',
    'uid=1',
    'gid=2',
    'nr_inodes=3',
  ]);
});

describe('the mount of a path', () => {
  const mountinfo = [
    '20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
    '21 20 0:30 / /srv rw - tmpfs srv rw',
    '22 21 0:31 / /srv/a\\040b rw shared:7 master:3 - tmpfs ab rw',
    '23 20 0:32 / /over rw shared:8 - tmpfs one rw',
    '24 23 0:33 / /over rw - tmpfs two rw',
  ].join('\n');

  it.each([
    ['/etc', '/', 'ext4', true, false],
    ['/srv', '/srv', 'tmpfs', false, false],
    ['/srvother', '/', 'ext4', true, false],
    ['/srv/a b/c', '/srv/a b', 'tmpfs', true, true],
    ['/over/x', '/over', 'tmpfs', false, false],
  ])('%s is %s, of %s, shared %s, slave %s', (path, point, type, shared, slave) => {
    expect(mountOf(path, mountinfo)).toEqual({ path: point, type, shared, slave });
  });
});

describe('a sandbox of the spec', () => {
  const places = { sandbox: (id: string) => `/sandboxes/${id}`, persistent: (id: string) => `/persistent/${id}` };
  const process = { pid: 1, startTime: 1, bootId: 'b' };
  const parentOf = (spec: ContainerSpec, parent?: PrepareContext['parent']): NonNullable<PrepareContext['parent']> => ({
    process,
    spec,
    share: new Set(),
    ...(parent ? { parent } : {}),
  });
  const source = (mount: object, parent?: PrepareContext['parent']) => {
    const spec = { mounts: [{ type: 'sandbox', of: 'parent', path: 'x', target: '/t', ...mount } as ContainerMount] };
    const [placed] = mountsOf(spec, 'sandbox');
    if (!placed) throw new Error('no mount');
    return sandboxSource('volume/sandbox_path', placed, { id: 'me', ...(parent ? { parent } : {}) }, places);
  };

  it("is a folder of the container's own, or its parent's", () => {
    expect(source({ of: 'self', path: 'a//b/' })).toMatchObject({ path: '/sandboxes/me/a/b', container: 'me' });
    expect(source({ path: '.' }, parentOf({ id: 'p' }))).toMatchObject({
      path: '/sandboxes/p',
      inside: '.',
      container: 'p',
    });
  });

  it('is in a mount of the parent, with what holds for that one', () => {
    const mounts: ContainerMount[] = [
      { type: 'bind', source: '/srv', target: '/b', readonly: 'shallow', nosuid: true },
      { type: 'persistent', id: 'v', target: '/p' },
      { type: 'sandbox', of: 'parent', path: 'deep', target: '/s', readonly: true },
      { type: 'tmpfs', target: '/t' },
    ];
    const parent = parentOf({ id: 'p', mounts }, parentOf({ id: 'grandparent' }));
    expect(source({ volume: '/b/' }, parent)).toMatchObject({
      path: '/srv/x',
      readonly: true,
      attributes: ['rnosuid'],
    });
    expect(source({ volume: '/p' }, parent)).toMatchObject({ path: '/persistent/v/x', readonly: false });
    expect(source({ volume: '/s' }, parent)).toMatchObject({ path: '/sandboxes/grandparent/deep/x', readonly: true });
    expect(() => source({ volume: '/t' }, parent)).toThrow(expect.objectContaining({ code: 'REFUSED' }));
    expect(() => source({ volume: '/none' }, parent)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it.each(['/absolute', '..', 'a/../../b', ''])('is never at %j', (path) => {
    expect(() => source({ of: 'self', path })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });

  it("needs a parent to be of a parent's", () => {
    expect(() => source({})).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('an image of the spec', () => {
  const image = { type: 'image', image: 'i', target: '/i', destination: '/i', field: 'spec.mounts[0]' } as const;

  it('is an overlay, read-only unless asked otherwise', () => {
    const folders = ['lowerdir=/l\\:2:/l1', 'upperdir=/f/upper', 'workdir=/f/work'];
    expect(imageMount(image, ['/l1', '/l:2'], '/f').options).toEqual(['nodev', 'ro', ...folders]);
    expect(imageMount({ ...image, readonly: false }, ['/l1', '/l:2'], '/f', true).options).toEqual([
      'nodev',
      'rw',
      ...folders,
      'userxattr',
    ]);
  });
});
