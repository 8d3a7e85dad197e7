import { describe, expect, it } from 'vitest';
import { appcImageConfig, hostPlatform, parseAppcImageManifest, parseImageConfig } from '../../src/index.js';
import { digest, encode } from '../documents.js';
import { imageManifest, withApp } from './documents.js';

const base = parseAppcImageManifest(encode({ acKind: 'ImageManifest', acVersion: '0.8.11', name: 'images.test/base' }));
const worker = parseAppcImageManifest(encode(imageManifest));
const diffIds = [digest('1'), digest('2')];
const configOf = (document: object, platform?: { os: string; architecture: string }) =>
  parseImageConfig(appcImageConfig([parseAppcImageManifest(encode(document))], [digest('1')], platform)).config;

describe('appcImageConfig', () => {
  it('says how the image wants to run', () => {
    expect(parseImageConfig(appcImageConfig([base, worker], diffIds))).toEqual({
      diffIds,
      config: {
        platform: { os: 'linux', architecture: 'arm64' },
        user: '1000:workers',
        supplementaryGids: [10, 20],
        entrypoint: ['/bin/worker', '--threads', '4'],
        cmd: [],
        env: ['PATH=/bin', 'LOG.LEVEL-x=a=b', 'EMPTY='],
        workingDir: '/srv/work',
        stopSignal: '',
        exposedPorts: ['8080/tcp', '7000/udp', '7001/udp', '7002/udp'],
        volumes: ['/var/spool/work', '/etc/worker'],
        created: '2016-02-29T12:00:00.25+01:00',
        labels: new Map([
          ['team', 'red'],
          ['org.opencontainers.image.created', '2016-02-29T12:00:00.25+01:00'],
          ['org.opencontainers.image.url', 'https://images.test'],
          ['images.test/owner', 'somebody'],
          ['org.opencontainers.image.title', 'images.test/queue/worker'],
          ['org.opencontainers.image.version', '2.1.0'],
          ['os', 'linux'],
          ['arch', 'aarch64'],
          ['channel', 'beta'],
        ]),
      },
    });
  });

  it('is deterministic', () => {
    const again = parseAppcImageManifest(encode(imageManifest));
    expect(appcImageConfig([base, again], diffIds)).toEqual(appcImageConfig([base, worker], diffIds));
  });

  it('runs as the last image alone says', () => {
    const { config } = parseImageConfig(appcImageConfig([worker, base], diffIds));
    expect(config).toMatchObject({ user: '', entrypoint: [], env: [], volumes: [] });
    expect([...config.labels]).toEqual([['org.opencontainers.image.title', 'images.test/base']]);
  });

  it.each([
    ['amd64', { architecture: 'amd64' }],
    ['i386', { architecture: '386' }],
    ['armv7l', { architecture: 'arm', variant: 'v7' }],
    ['ppc64le', { architecture: 'ppc64le' }],
    ['riscv64', { architecture: 'riscv64' }],
  ])('knows the processor %s', (arch, expected) => {
    const labels = [
      { name: 'os', value: 'freebsd' },
      { name: 'arch', value: arch },
    ];
    expect(configOf({ ...imageManifest, labels }).platform).toEqual({ os: 'freebsd', ...expected });
  });

  it('takes an image for any platform for the one asked for, a dependency’s or the host’s', () => {
    const any = { ...imageManifest, labels: [] };
    expect(configOf(any).platform).toEqual(hostPlatform());
    expect(configOf(any, { os: 'linux', architecture: 's390x' }).platform).toEqual({
      os: 'linux',
      architecture: 's390x',
    });
    const { config } = parseImageConfig(appcImageConfig([worker, base], diffIds));
    expect(config.platform).toEqual({ os: 'linux', architecture: 'arm64' });
  });

  it.each(['user', 'group'])('cannot tell the owner of a file for the %s', (field) => {
    expect(() => configOf(withApp({ [field]: '/bin/worker' }))).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', details: { path: `$.app.${field}` } }),
    );
  });

  it('refuses more ports than a config should have', () => {
    const ports = (count: number) => withApp({ ports: [{ name: 'a', protocol: 'tcp', port: 1, count }] });
    expect(configOf(ports(8192)).exposedPorts.at(-1)).toBe('8192/tcp');
    expect(() => configOf(ports(8193))).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });

  it('refuses a time that is none', () => {
    const annotations = [{ name: 'created', value: 'yesterday' }];
    expect(() => configOf({ ...imageManifest, annotations })).toThrow(
      expect.objectContaining({ code: 'INVALID_DOCUMENT' }),
    );
  });

  it.each([
    ['no image', [], []],
    ['fewer diff ids than images', [base, worker], [digest('1')]],
    ['more diff ids than images', [worker], diffIds],
  ])('refuses %s', (_, manifests, ids) => {
    expect(() => appcImageConfig(manifests, ids)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'diffIds' } }),
    );
  });
});
