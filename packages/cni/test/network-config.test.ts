import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  findNetwork,
  formatNetworkConfigList,
  loadNetworkConfigurations,
  type NetworkConfigurations,
  parseNetworkConfig,
  parseNetworkConfigList,
  watchNetworkConfigurations,
} from '../src/index.js';

const list = (fields: object) =>
  JSON.stringify({ cniVersion: '1.0.0', name: 'net', plugins: [{ type: 'bridge' }], ...fields });
const parse = (fields: object) => parseNetworkConfigList(list(fields));

describe('a network configuration', () => {
  it('is read with what its plugins declare, and their own fields as they are', () => {
    const plugin = { type: 'bridge', capabilities: { ips: true, mac: false }, keyA: ['some', { deep: null }] };
    expect(parse({ plugins: [plugin], disableCheck: true, disableGC: 'TRUE' })).toEqual({
      name: 'net',
      cniVersion: '1.0.0',
      cniVersions: ['1.0.0'],
      disableCheck: true,
      disableGC: true,
      loadOnlyInlinedPlugins: false,
      plugins: [{ type: 'bridge', capabilities: ['ips'], raw: plugin }],
    });
  });

  it.each<[object, string, string[]]>([
    [{ cniVersion: undefined }, '0.1.0', ['0.1.0']],
    [{ cniVersion: '' }, '0.1.0', ['0.1.0']],
    [{ cniVersion: '0.4.0', cniVersions: ['1.1.0', '0.3.1', '3.0.0'] }, '1.1.0', ['0.3.1', '0.4.0', '1.1.0']],
    [{ cniVersion: '2.0.0', cniVersions: ['1.0.0'] }, '1.0.0', ['1.0.0']],
  ])('%j is of version %s', (fields, cniVersion, cniVersions) => {
    expect(parse(fields)).toMatchObject({ cniVersion, cniVersions });
  });

  it.each<[string, object]>([
    ['$.name', { name: undefined }],
    ['$.name', { name: '' }],
    ['$.name', { name: '../net' }],
    ['$.name', { name: '.net' }],
    ['$.name', { name: 'a b' }],
    ['$.cniVersion', { cniVersion: 1 }],
    ['$.cniVersion', { cniVersion: 'new' }],
    ['$.cniVersion', { cniVersion: '2.0.0' }],
    ['$.cniVersions', { cniVersions: [1] }],
    ['$.disableCheck', { disableCheck: 'perhaps' }],
    ['$.plugins', { plugins: [] }],
    ['$.plugins', { plugins: {} }],
    ['$.plugins', { plugins: undefined, loadOnlyInlinedPlugins: true }],
    ['$.plugins[0]', { plugins: ['bridge'] }],
    ['$.plugins[1].type', { plugins: [{ type: 'a' }, {}] }],
    ['$.plugins[0].type', { plugins: [{ type: '../../bin/sh' }] }],
    ['$.plugins[0].type', { plugins: [{ type: '..' }] }],
    ['$.plugins[0].type', { plugins: [{ type: '' }] }],
    ['$.plugins[0].ipam.type', { plugins: [{ type: 'a', ipam: { type: '/bin/sh' } }] }],
    ['$.plugins[0].capabilities', { plugins: [{ type: 'a', capabilities: { ips: 'yes' } }] }],
  ])('is refused for %s in %j', (path, fields) => {
    expect(() => parse(fields)).toThrow(
      expect.objectContaining({ code: 'INVALID_DOCUMENT', details: expect.objectContaining({ path }) }),
    );
  });

  it.each(['', 'nonsense', '[]', 'null', `{"name":"${'x'.repeat(2 ** 20)}"}`])(
    'is refused if it is no object of reasonable size',
    (text) => {
      expect(() => parseNetworkConfigList(text)).toThrow(expect.objectContaining({ code: 'INVALID_DOCUMENT' }));
      expect(() => parseNetworkConfig(text)).toThrow(expect.objectContaining({ code: 'INVALID_DOCUMENT' }));
    },
  );

  it('is the same when it is written and read', () => {
    const read = parse({
      plugins: [
        { type: 'a', b: [1] },
        { type: 'c', capabilities: { x: true } },
      ],
      loadOnlyInlinedPlugins: true,
    });
    expect(parseNetworkConfigList(formatNetworkConfigList(read))).toEqual(read);
  });
});

describe('a folder of configurations', () => {
  let folder: string;
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-net-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const names = ({ networks }: NetworkConfigurations) => networks.map(({ list }) => list.name);

  it('is read in the order of names, and a broken file leaves the others', () => {
    write('20-b.conf', '{"cniVersion":"0.3.1","name":"b","type":"ptp"}');
    write('10-c.conflist', list({ name: 'c' }));
    write('30-a.json', '{"name":"a","type":"macvlan"}');
    write('15-torn.conflist', '{"name":"torn"');
    write('16-list.conf', list({ name: 'list' }));
    write('readme.txt', 'not one');
    mkdirSync(join(folder, 'folder.conflist'));
    const loaded = loadNetworkConfigurations(folder);
    expect(names(loaded)).toEqual(['c', 'b', 'a']);
    expect(loaded.failures.map(({ file, error }) => [file, error.code])).toEqual([
      [join(folder, '15-torn.conflist'), 'INVALID_DOCUMENT'],
      [join(folder, '16-list.conf'), 'INVALID_DOCUMENT'],
    ]);
    expect(findNetwork(loaded, 'b')?.plugins).toMatchObject([{ type: 'ptp' }]);
    expect(findNetwork(loaded, 'z')).toBeUndefined();
    expect(loadNetworkConfigurations(join(folder, 'absent'))).toEqual({ networks: [], failures: [] });
  });

  it('adds the plugins of the folder called as the network, unless these are not wanted', () => {
    mkdirSync(join(folder, 'net'));
    write('net/20-last.conf', '{"type":"tuning"}');
    write('net/10-first.conf', '{"type":"portmap"}');
    write('net/other.json', '{"type":"never"}');
    const types = () => loadNetworkConfigurations(folder).networks[0]?.list.plugins.map(({ type }) => type);
    write('net.conflist', list({}));
    expect(types()).toEqual(['bridge', 'portmap', 'tuning']);
    write('net.conflist', list({ loadOnlyInlinedPlugins: true }));
    expect(types()).toEqual(['bridge']);
    write('net.conflist', list({ plugins: undefined }));
    expect(types()).toEqual(['portmap', 'tuning']);
    rmSync(join(folder, 'net'), { recursive: true });
    expect(loadNetworkConfigurations(folder).failures).toHaveLength(1);
  });

  it('is watched: given at once, and again after changes', async () => {
    write('10-a.conflist', list({ name: 'a' }));
    const aborting = new AbortController();
    const seen = watchNetworkConfigurations(folder, { signal: aborting.signal });
    const next = async () => names((await seen.next()).value as NetworkConfigurations);
    expect(await next()).toEqual(['a']);
    write('part', list({ name: 'b' }));
    renameSync(join(folder, 'part'), join(folder, '05-b.conflist'));
    expect(await next()).toEqual(['b', 'a']);
    rmSync(join(folder, '10-a.conflist'));
    expect(await next()).toEqual(['b']);
    const last = seen.next();
    aborting.abort();
    expect(await last).toEqual({ done: true, value: undefined });
    await expect(watchNetworkConfigurations(join(folder, 'absent')).next()).rejects.toMatchObject({ code: 'SYSTEM' });
  });

  it('is read again although it does not come to rest', async () => {
    const aborting = new AbortController();
    const seen = watchNetworkConfigurations(folder, { signal: aborting.signal });
    expect((await seen.next()).value).toMatchObject({ failures: [] });
    let changes = 0;
    // Sooner after one another than a change is waited out.
    const restless = setInterval(() => write('10-a.conflist', list({ name: `a${changes++}` })), 2);
    try {
      const { value } = await seen.next();
      expect(names(value as NetworkConfigurations)[0]).toMatch(/^a\d+$/);
      expect(changes).toBeGreaterThan(1);
    } finally {
      clearInterval(restless);
      aborting.abort();
      await seen.return();
    }
  });
});
