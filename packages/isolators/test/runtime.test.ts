import type { ContainerSpec, ImageConfig } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { mergeCommand } from '../src/docker/command.js';
import { mergeEnvironment } from '../src/docker/environment.js';
import { dockerRuntime, workingFolder } from '../src/docker/runtime.js';
import { contextOf } from './context.js';

const refused = expect.objectContaining({ code: 'REFUSED' });

describe('docker/runtime: the command', () => {
  const none = { entrypoint: [], cmd: [] };
  const cmd = { entrypoint: [], cmd: ['c1', 'c2'] };
  const entry = { entrypoint: ['e1', 'e2'], cmd: [] };
  const both = { entrypoint: ['e1', 'e2'], cmd: ['c1', 'c2'] };
  type Row = [string, Pick<ContainerSpec, 'command' | 'args'>, Pick<ImageConfig, 'entrypoint' | 'cmd'>, string];
  const rows: Row[] = [
    ['the image alone: Cmd', {}, cmd, 'c1 c2'],
    ['the image alone: Entrypoint', {}, entry, 'e1 e2'],
    ['the image alone: both', {}, both, 'e1 e2 c1 c2'],
    ['args without an image', { args: ['a'] }, none, 'a'],
    ['args for Cmd', { args: ['a'] }, cmd, 'a'],
    ['args for Entrypoint', { args: ['a'] }, entry, 'e1 e2 a'],
    ['args for both', { args: ['a'] }, both, 'e1 e2 a'],
    ['no args rather than Cmd', { args: [] }, both, 'e1 e2'],
    ['command for none', { command: ['v'] }, none, 'v'],
    ['command for both', { command: ['v', 'w'] }, both, 'v w'],
    ['command and args for both', { command: ['v'], args: ['a', 'b'] }, both, 'v a b'],
  ];
  it.each(rows)('%s', (_, spec, image, expected) => {
    expect(mergeCommand(spec, image)).toEqual(expected.split(' '));
  });

  it.each([
    ['nothing at all', {}, none],
    ['an empty command', { command: [] }, both],
    ['an empty program name', { command: [''] }, none],
    ['a NUL in an argument', { command: ['a', 'b\0c'] }, none],
  ])('refuses %s', (_, spec, image) => {
    expect(() => mergeCommand(spec, image)).toThrow(refused);
  });
});

describe('docker/runtime: the environment', () => {
  const base = { home: '/root', hostname: 'h', image: [], spec: {} };

  it('has PATH, HOME and HOSTNAME, and nothing of the host program', () => {
    expect(mergeEnvironment(base).env).toEqual({});
    expect(Object.keys(mergeEnvironment(base).defaultEnv).sort()).toEqual(['HOME', 'HOSTNAME', 'PATH']);
  });

  it('lets the image win over the defaults, and keeps those of the spec apart, which win over both', () => {
    const image = ['PATH=/image', 'A=image', 'B=x=y', 'EMPTY='];
    const merged = mergeEnvironment({ ...base, image, spec: { A: 'spec', HOME: '/mine' } });
    expect({ ...merged.defaultEnv }).toEqual({
      PATH: '/image',
      HOME: '/root',
      HOSTNAME: 'h',
      A: 'image',
      B: 'x=y',
      EMPTY: '',
    });
    expect({ ...merged.env }).toEqual({ A: 'spec', HOME: '/mine' });
  });

  it('keeps a variable called __proto__ a variable', () => {
    const merged = mergeEnvironment({ ...base, image: ['__proto__=x'] });
    expect(Object.entries(merged.defaultEnv)).toContainEqual(['__proto__', 'x']);
  });

  it('leaves out image entries without a value, and refuses NUL bytes', () => {
    expect(Object.keys(mergeEnvironment({ ...base, image: ['LONE', '=x'] }).defaultEnv)).toHaveLength(3);
    expect(() => mergeEnvironment({ ...base, image: ['A=b\0C=d'] })).toThrow(refused);
  });
});

describe('docker/runtime: the working folder', () => {
  it.each([
    [{}, undefined, '/'],
    [{}, { workingDir: '' }, '/'],
    [{}, { workingDir: '/app/' }, '/app'],
    [{}, { workingDir: 'app' }, '/app'],
    [{}, { workingDir: '/../../etc' }, '/etc'],
    [{ workingDir: '/mine' }, { workingDir: '/app' }, '/mine'],
  ])('%j over %j is %s', (spec, image, expected) => {
    expect(workingFolder(spec, image)).toBe(expected);
  });

  it('refuses a relative one of the spec', () => {
    expect(() => workingFolder({ workingDir: 'app' }, undefined)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});

describe('docker/runtime', () => {
  it('takes HOME from the passwd of the container, also without an image', async () => {
    const files = { '/etc/passwd': 'root:x:0:0::/root:/bin/sh\napp:x:12:13::/srv/app:/bin/sh\n' };
    const edits = await dockerRuntime().edits(contextOf({ command: ['/bin/true'], user: 'app' }, { files }));
    expect(edits.user).toEqual({ uid: 12, gid: 13, additionalGids: [13] });
    expect(edits.defaultEnv).toMatchObject({ HOME: '/srv/app', HOSTNAME: 'c1' });
    expect(edits.args).toEqual(['/bin/true']);
  });

  it("gives an image's own groups to its own user, and to no other", async () => {
    const image = { user: '12:13', supplementaryGids: [20, 13, 21], cmd: ['/bin/true'] };
    const own = await dockerRuntime().edits(contextOf({}, { image }));
    expect(own.user).toEqual({ uid: 12, gid: 13, additionalGids: [13, 20, 21] });
    const other = await dockerRuntime().edits(contextOf({ user: '14:15' }, { image }));
    expect(other.user).toEqual({ uid: 14, gid: 15, additionalGids: [15] });
  });

  it("prefers the spec's user to the image's", async () => {
    const image = { cmd: ['/bin/true'], user: '7:8' };
    expect((await dockerRuntime().edits(contextOf({}, { image }))).user).toMatchObject({ uid: 7, gid: 8 });
    expect((await dockerRuntime().edits(contextOf({ user: '9' }, { image }))).user).toMatchObject({ uid: 9, gid: 0 });
  });
});
