import type { OciMount, SecretFile } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { compilePlan } from '../src/index.js';
import { request } from './support/document.js';

const compiled = (...mounts: OciMount[]) =>
  compilePlan(
    request((config) => {
      config.mounts = mounts;
    }),
  ).steps;

const first = (mount: OciMount) => compiled(mount).find(({ op }) => op === 'mount' || op === 'bind');

const refusal = (options: string[], rest: Partial<OciMount> = { type: 'tmpfs' }) => {
  try {
    first({ destination: '/m', ...rest, options });
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('a mount of a new file system', () => {
  it('turns flags into MS_ bits and the rest into data', () => {
    expect(
      first({ destination: '/tmp', type: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', 'mode=1777', 'size=64k'] }),
    ).toEqual({
      op: 'mount',
      type: 'tmpfs',
      source: 'tmpfs',
      target: '/tmp',
      flags: 0x2 | 0x4 | 0x8,
      data: 'mode=1777,size=64k',
    });
  });

  it.each([
    [['ro', 'rw'], 0],
    [['rw', 'ro'], 1],
    [['nosuid', 'suid', 'nodev'], 4],
    [['relatime', 'strictatime'], 0x1000000],
    [['strictatime', 'noatime'], 0x400],
    [['noatime', 'atime'], 0],
    [['relatime'], 0x200000],
    [['sync', 'dirsync', 'lazytime', 'nodiratime', 'silent'], 0x10 | 0x80 | 0x2000000 | 0x800 | 0x8000],
    [['defaults', 'nomand'], 0],
    [['rro'], 1],
  ])('gives the last of two opposites the word: %j', (options, flags) => {
    expect(first({ destination: '/m', type: 'tmpfs', options })).toMatchObject({ flags, data: '' });
  });

  it('knows cgroup as the one file system of version 2 only', () => {
    const edit = { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup' };
    const v2 = compilePlan(request((config) => config.mounts.splice(0, 3, edit), { cgroupVersion: 'v2' })).steps;
    expect(v2.find(({ op }) => op === 'mount')).toMatchObject({ type: 'cgroup2', source: 'cgroup' });
    expect(() => first(edit)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  });
});

describe('a bind', () => {
  it('turns flags into MOUNT_ATTR_ bits', () => {
    const options = ['rbind', 'ro', 'nosuid', 'nodev', 'noexec', 'nosymfollow', 'rprivate'];
    expect(first({ destination: '/data', source: '/srv/data', options })).toEqual({
      op: 'bind',
      source: '/srv/data',
      target: '/data',
      recursive: 1,
      attributes: 0x1 | 0x2 | 0x4 | 0x8 | 0x200000,
      recursiveAttributes: 0,
      idmap: 0,
      identity: '',
    });
    const recursively = { destination: '/d', source: '/d', options: ['rbind', 'rro', 'rnodev', 'noexec', 'rdev'] };
    expect(first(recursively)).toMatchObject({ attributes: 0x1 | 0x8, recursiveAttributes: 0x1 });
    expect(first({ destination: '/data', type: 'bind', source: '/srv/data' })).toMatchObject({
      recursive: 0,
      attributes: 0,
    });
    expect(first({ destination: '/d', source: '/d', options: ['bind', 'noatime', 'strictatime'] })).toMatchObject({
      attributes: 0x20,
    });
  });

  it('is cloned before the mounts of the host are made private if it propagates', () => {
    const bind = (destination: string, ...options: string[]): OciMount => ({
      destination,
      source: destination,
      options: ['rbind', ...options],
    });
    const steps = compiled(bind('/a', 'rslave', 'rro'), bind('/b', 'rprivate'), bind('/c', 'rshared'));
    expect(steps.slice(0, 3)).toMatchObject([
      { op: 'openTree', source: '/a', recursive: 1, propagation: 0x80000, recursiveAttributes: 0x1 },
      { op: 'openTree', source: '/c', recursive: 1, propagation: 0x100000 },
      { op: 'setPropagation', flags: 0x44000 },
    ]);
    const sources = steps.filter((step) => step.op === 'bind').map(({ source, target }) => [source, target]);
    expect(sources).toEqual([
      ['', '/a'],
      ['/b', '/b'],
      ['', '/c'],
    ]);
  });

  it('is seen through its own ids', () => {
    const mount: OciMount = {
      destination: '/d',
      source: '/d',
      options: ['rbind', 'ridmap'],
      uidMappings: [{ containerID: 0, hostID: 1000, size: 10 }],
      gidMappings: [{ containerID: 5, hostID: 6, size: 1 }],
    };
    const steps = compiled(mount);
    const at = steps.findIndex(({ op }) => op === 'idmap');
    expect(steps.slice(at, at + 2)).toMatchObject([
      { uids: ['0 1000 10'], gids: ['5 6 1'] },
      { op: 'bind', idmap: 2 },
    ]);
    expect(() => compiled({ ...mount, gidMappings: [] })).toThrow(
      expect.objectContaining({ code: 'INVALID_DOCUMENT', details: { path: 'mounts[0].gidMappings' } }),
    );
    expect(() => compiled({ ...mount, options: ['rbind'] })).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  });

  it('is of what the launch says its source is', () => {
    const { steps } = compilePlan(
      request((config) => {
        config.mounts = [{ destination: '/d', source: '/d', options: ['bind'] }];
      }),
      { secrets: 'masked', pins: { '/d': '1:2', '/other': '3:4' } },
    );
    expect(steps.find(({ op }) => op === 'bind')).toMatchObject({ identity: '1:2' });
  });
});

describe('an overlay', () => {
  const overlay = (...options: string[]) => compiled({ destination: '/o', type: 'overlay', options });
  const above = ['upperdir=/u', 'workdir=/w'];

  it('has its folders lowest first', () => {
    const steps = overlay('nodev', 'ro', 'lowerdir=/top:/with\\:colon:/bottom', ...above);
    expect(steps.find(({ op }) => op === 'overlay')).toMatchObject({
      target: '/o',
      lower: ['/bottom', '/with:colon', '/top'],
      upper: '/u',
      work: '/w',
      userxattr: 0,
      attributes: 0x5,
    });
  });

  it.each([
    [above, 'INVALID_DOCUMENT'],
    [['lowerdir=a', ...above], 'INVALID_DOCUMENT'],
    [['lowerdir=/a:/b'], 'UNSUPPORTED'],
    [['lowerdir=/a', 'index=off', ...above], 'UNSUPPORTED'],
  ])('is refused with %j', (options, code) => {
    expect(() => overlay(...options)).toThrow(expect.objectContaining({ code }));
  });
});

describe('a secret', () => {
  const file = { id: 's', destination: '/s', mode: 0o400, uid: 1, gid: 2 };
  const withSecrets = (...files: readonly SecretFile[]) =>
    request(
      (config) => {
        config.mounts = [{ destination: '/s', type: 'ramfs', source: 'secret', options: ['ro', 'mode=0755'] }];
      },
      { secretFiles: files, secretEnv: ['TOKEN'] },
    );
  const secrets = { env: new Map([['TOKEN', 'v']]), files: new Map([['s', Buffer.from('content')]]) };

  it('is a file, or one of a folder, with what came with the launch', () => {
    const ofFile = compilePlan(withSecrets(file), { secrets }).steps;
    expect(ofFile.filter(({ op }) => op.startsWith('memory'))).toEqual([
      { op: 'memoryFolder', mode: 0o755, uid: 1, gid: 2 },
      { op: 'memoryFile', name: 'secret', mode: 0o400, uid: 1, gid: 2, content: Buffer.from('content') },
      { op: 'memoryMount', target: '/s', file: 'secret' },
    ]);
    const ofFolder = compilePlan(withSecrets({ ...file, name: 'a' }), { secrets }).steps;
    expect(ofFolder.find(({ op }) => op === 'memoryMount')).toMatchObject({ target: '/s', file: '' });
    expect(ofFolder.at(-1)).toMatchObject({ op: 'exec', env: expect.arrayContaining(['TOKEN=v']) });
  });

  it('is masked in a plan to be shown, and missed in a launch that came without it', () => {
    const shown = JSON.stringify(compilePlan(withSecrets(file)).steps);
    expect(shown).toContain('TOKEN=<secret>');
    const none = { env: new Map(), files: new Map() };
    expect(() => compilePlan(withSecrets(file), { secrets: none })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  it.each(['a/b', '..', ''])('has no file called %j', (name) => {
    expect(() => compilePlan(withSecrets({ ...file, name }), { secrets })).toThrow(
      expect.objectContaining({ code: 'INVALID_DOCUMENT' }),
    );
  });
});

describe('what no step carries out', () => {
  it.each(['unbindable', 'remount', 'tmpcopyup', 'mand'])('refuses %s', (option) => {
    expect(refusal(['nosuid', option])).toMatchObject({ code: 'UNSUPPORTED', details: { field: 'mounts[0].options' } });
  });

  it.each(['size=1k', 'sync', 'relatime', 'lazytime'])('refuses %s on a bind', (option) => {
    expect(refusal(['bind', option], { source: '/s' })).toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('refuses mounts that the specification does not allow', () => {
    expect(refusal([], {})).toMatchObject({ code: 'INVALID_DOCUMENT', details: { path: 'mounts[0].type' } });
    expect(refusal(['bind'], {})).toMatchObject({ code: 'INVALID_DOCUMENT', details: { path: 'mounts[0].source' } });
    expect(refusal(['bind'], { source: 'here' })).toMatchObject({ details: { path: 'mounts[0].source' } });
    expect(refusal([], { type: 'tmpfs', destination: 'm' })).toMatchObject({
      details: { path: 'mounts[0].destination' },
    });
  });
});

describe('mounts that another container has alike', () => {
  const overlay = { destination: '/o', type: 'overlay', options: ['lowerdir=/l', 'upperdir=/u', 'workdir=/w'] };
  const bind = { destination: '/d', source: '/s', options: ['bind'] };
  const alike = (mount: OciMount, stateDir = '/state') => ({
    ...request((config) => {
      config.mounts = [mount];
    }),
    stateDir,
  });

  it('are made in the folder of each', () => {
    for (const stateDir of ['/state/one', '/state/other']) {
      const { steps } = compilePlan(alike(overlay, stateDir));
      expect(steps.find(({ op }) => op === 'overlay')).toMatchObject({ staging: stateDir });
    }
  });

  it('are pinned to what each was given', () => {
    const plans = ['1:2', '3:4'].map((pin) =>
      JSON.stringify(compilePlan(alike(bind), { secrets: 'masked', pins: { '/d': pin } }).steps),
    );
    expect(plans[0]).toContain('1:2');
    expect(plans[1]).toContain('3:4');
  });
});
