import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  CNI,
  FileAttachments,
  type NetworkConfigList,
  parseNetworkConfig,
  parseNetworkConfigList,
  type RuntimeConf,
} from '../src/index.js';
import { FakePlugins } from './fake-plugins.js';

const conf: RuntimeConf = { containerID: 'c1', netNS: '/run/netns/c1', ifName: 'eth0' };
const first = {
  cniVersion: '1.0.0',
  interfaces: [{ name: 'eth0', sandbox: '/run/netns/c1' }],
  ips: [{ address: '10.1.0.2/16', interface: 0 }],
  dns: {},
};
const second = { ...first, dns: { nameservers: ['10.1.0.1'] } };

function network(fields: object = {}, plugins: object[] = [{ type: 'one' }, { type: 'two' }]): NetworkConfigList {
  return parseNetworkConfigList(JSON.stringify({ cniVersion: '1.0.0', name: 'net', plugins, ...fields }));
}

let plugins: FakePlugins;
let attachments: FileAttachments;
let cni: CNI;
beforeEach(() => {
  plugins = new FakePlugins('one', 'two', 'three').answer('one', 'ADD', first).answer('two', 'ADD', second);
  attachments = new FileAttachments(join(plugins.folder, 'state'));
  cni = new CNI({ pluginFolders: ['/nowhere', plugins.folder], attachments, timeoutMs: 20_000 });
});
afterEach(() => plugins[Symbol.dispose]());

describe('ADD', () => {
  it('runs a chain in order, each plugin with the result of the one before, and gives the last', async () => {
    const result = await cni.addNetworkList(network(), conf);
    expect(result).toMatchObject({
      ips: [{ address: '10.1.0.2/16', interface: 0 }],
      dns: { nameservers: ['10.1.0.1'] },
    });
    const [one, two, ...more] = plugins.calls();
    expect(more).toEqual([]);
    expect(one?.stdin).toEqual({ cniVersion: '1.0.0', name: 'net', type: 'one' });
    expect(two?.stdin).toEqual({ cniVersion: '1.0.0', name: 'net', type: 'two', prevResult: first });
  });

  it('gives plugins the parameters and a PATH in their environment, and nothing else', async () => {
    process.env['GANTRY_SECRET'] = 'not for plugins';
    await cni.addNetworkList(network(), {
      ...conf,
      args: [
        ['IgnoreUnknown', '1'],
        ['K', 'v w'],
      ],
    });
    delete process.env['GANTRY_SECRET'];
    const { PWD: _, ...environment } = plugins.calls()[0]?.environment ?? {};
    expect(environment).toEqual({
      PATH: expect.stringContaining('/usr/sbin'),
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'c1',
      CNI_NETNS: '/run/netns/c1',
      CNI_IFNAME: 'eth0',
      CNI_ARGS: 'IgnoreUnknown=1;K=v w',
      CNI_PATH: `/nowhere:${plugins.folder}`,
    });
  });

  it('gives a plugin those capability arguments that it declares, and fields of its own unchanged', async () => {
    const own = {
      type: 'one',
      mtu: 1400,
      deep: { list: [1, { a: null }] },
      runtimeConfig: { mac: 'forged' },
      'cni.dev/x': 1,
    };
    const list = network({}, [
      { ...own, capabilities: { portMappings: true, mac: true, bandwidth: false } },
      { type: 'two', capabilities: { bandwidth: true, aliases: true } },
    ]);
    const capabilityArgs = {
      portMappings: [{ hostPort: 80, containerPort: 8080, protocol: 'tcp' }],
      bandwidth: { ingressRate: 1000 },
      ips: ['10.1.0.9'],
    };
    await cni.addNetworkList(list, { ...conf, capabilityArgs });
    const [one, two] = plugins.calls();
    expect(one?.stdin).toEqual({
      cniVersion: '1.0.0',
      name: 'net',
      type: 'one',
      mtu: 1400,
      deep: { list: [1, { a: null }] },
      runtimeConfig: { portMappings: capabilityArgs.portMappings },
    });
    expect(two?.stdin['runtimeConfig']).toEqual({ bandwidth: { ingressRate: 1000 } });
  });

  it('has a record of the attachment on the disk before the first plugin runs', async () => {
    const record = join(plugins.folder, 'state/c1/attachment.eth0');
    plugins.script('one', 'ADD', `cp ${record} ${plugins.folder}/seen; exit 1`);
    await expect(cni.addNetworkList(network(), conf)).rejects.toMatchObject({ code: 'PLUGIN_ERROR' });
    expect(JSON.parse(readFileSync(join(plugins.folder, 'seen'), 'utf8'))).toMatchObject({
      conf,
      list: { name: 'net' },
    });
  });

  it('stops at the first plugin that fails, and keeps the record for DEL', async () => {
    plugins.fail('one', 'ADD', 7, 'Invalid Configuration', 'network too small');
    await expect(cni.addNetworkList(network(), conf)).rejects.toMatchObject({
      code: 'PLUGIN_ERROR',
      message: 'CNI plugin one, ADD eth0 of c1 on network net: Invalid Configuration: network too small (code 7)',
      details: {
        plugin: 'one',
        command: 'ADD',
        network: 'net',
        code: 7,
        msg: 'Invalid Configuration',
        details: 'network too small',
      },
    });
    expect(plugins.order()).toEqual(['one ADD']);
    expect(await cni.getCachedAttachments('c1')).toEqual([{ conf, list: network({ loadOnlyInlinedPlugins: true }) }]);
    await cni.delNetworkList(network(), conf);
    expect(plugins.order()).toEqual(['one ADD', 'two DEL', 'one DEL']);
    expect(await cni.getCachedAttachments('c1')).toEqual([]);
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 11, 50, 51, 100, 999])('types error code %i', async (code) => {
    plugins.fail('one', 'ADD', code);
    await expect(cni.addNetworkList(network(), conf)).rejects.toMatchObject({
      details: { code, msg: 'no', details: 'for a reason' },
    });
  });

  it.each([
    ['nothing', 'true', /told nothing/],
    ['garbage', 'echo garbage', /not JSON/],
    ['half a result', `printf '{"cniVersion":"1.0.0","ips":[{"addr'`, /not JSON/],
    ['an array', 'echo "[]"', /is not an object/],
    [
      'an address that is none',
      `echo '{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.2"}]}'`,
      /\$\.ips\[0\]\.address is "10\.1\.0\.2"/,
    ],
    [
      'an address of no interface',
      `echo '{"cniVersion":"1.0.0","interfaces":[{"name":"a"}],"ips":[{"address":"10.1.0.2/8","interface":3}]}'`,
      /leads to no interface/,
    ],
    ['another version', `echo '{"cniVersion":"9.0.0"}'`, /CNI 9\.0\.0 is not spoken/],
    ['no error, but fails', 'echo oops >&2; exit 3', /it exited with 3: oops/],
    ['an error without a code', `echo '{"msg":"x"}'; exit 2`, /it exited with 2/],
    ['a signal', 'kill -SEGV $$', /killed by SIGSEGV/],
  ])('types an answer of %s', async (_, script, message) => {
    plugins.script('one', 'ADD', script);
    await expect(cni.addNetworkList(network(), conf)).rejects.toMatchObject({
      code: 'PLUGIN_ERROR',
      message: expect.stringMatching(message),
    });
  });

  it('kills a plugin that hangs, with all that it has started, and says so', async () => {
    cni = new CNI({ pluginFolders: [plugins.folder], timeoutMs: 300 });
    plugins.script('one', 'ADD', `sleep 987 & echo $! $$ >${plugins.folder}/pids; wait`);
    await expect(cni.addNetworkList(network(), conf)).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringMatching(/^CNI plugin one, ADD eth0 of c1 on network net: .* within 300 ms and was killed/),
    });
    const pids = readFileSync(join(plugins.folder, 'pids'), 'utf8').trim().split(' ');
    for (const pid of pids) expect(isAlive(pid)).toBe(false);
  });

  it('kills a plugin that writes without end', async () => {
    plugins.script('one', 'ADD', 'exec cat /dev/zero');
    await expect(cni.addNetworkList(network(), conf)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  it('ends with its caller’s patience', async () => {
    plugins.script(
      'one',
      'ADD',
      `echo $$ >${plugins.folder}/pid.part; mv ${plugins.folder}/pid.part ${plugins.folder}/pid; sleep 987`,
    );
    const aborting = new AbortController();
    const adding = cni.addNetworkList(network(), conf, { signal: aborting.signal });
    while (!existsSync(join(plugins.folder, 'pid'))) await new Promise(setImmediate);
    aborting.abort();
    await expect(adding).rejects.toMatchObject({ code: 'ABORTED' });
    expect(isAlive(readFileSync(join(plugins.folder, 'pid'), 'utf8').trim())).toBe(false);
  });

  it('takes a plugin that does not read its input', async () => {
    const big = network({}, [{ type: 'one', filler: 'x'.repeat(500_000) }]);
    plugins.script('one', 'ADD', '');
    const folder = new FakePlugins();
    writeFileSync(join(folder.folder, 'one'), `#!/bin/sh\necho '${JSON.stringify(first)}'\n`, { mode: 0o755 });
    const other = new CNI({ pluginFolders: [folder.folder] });
    await expect(other.addNetworkList(big, conf)).resolves.toMatchObject({ ips: [{ address: '10.1.0.2/16' }] });
    folder[Symbol.dispose]();
  });

  it('names a plugin that is not there, and where it was looked for', async () => {
    await expect(cni.addNetworkList(network({}, [{ type: 'absent' }]), conf)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining(`/nowhere, ${plugins.folder}`),
    });
  });

  it.each<[string, Partial<RuntimeConf>]>([
    ['containerID', { containerID: '../etc' }],
    ['containerID', { containerID: '' }],
    ['ifName', { ifName: 'sixteen-bytes-xx' }],
    ['ifName', { ifName: 'a/b' }],
    ['ifName', { ifName: 'a:b' }],
    ['ifName', { ifName: 'a b' }],
    ['ifName', { ifName: '..' }],
    ['ifName', { ifName: '' }],
    ['args.A', { args: [['A', 'b;C=d']] }],
    ['args', { args: [['A=B', 'c']] }],
  ])('refuses an odd %s before anything runs', async (field, odd) => {
    await expect(cni.addNetworkList(network(), { ...conf, ...odd })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field },
    });
    await expect(cni.delNetworkList(network(), { ...conf, ...odd })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field },
    });
    expect(plugins.calls()).toEqual([]);
    expect(existsSync(join(plugins.folder, 'state'))).toBe(false);
  });
});

describe('DEL', () => {
  it('runs the chain backwards, every plugin with the result of the ADD, and may be told of no namespace', async () => {
    await cni.addNetworkList(network(), conf);
    plugins.forget();
    await cni.delNetworkList(network(), { ...conf, netNS: '' });
    const [two, one, ...more] = plugins.calls();
    expect(more).toEqual([]);
    expect([two?.type, one?.type]).toEqual(['two', 'one']);
    expect(two?.environment).toMatchObject({ CNI_COMMAND: 'DEL', CNI_NETNS: '' });
    expect(two?.stdin['prevResult']).toEqual(second);
    expect(one?.stdin['prevResult']).toEqual(second);
  });

  it('gives no result before version 0.4.0', async () => {
    const list = network({ cniVersion: '0.3.1' });
    await cni.addNetworkList(list, conf);
    plugins.forget();
    await cni.delNetworkList(list, conf);
    expect(plugins.calls().every(({ stdin }) => !('prevResult' in stdin))).toBe(true);
  });

  it('takes a container that a plugin does not know for deleted', async () => {
    plugins.fail('two', 'DEL', 3);
    await cni.addNetworkList(network(), conf);
    await cni.delNetworkList(network(), conf);
    expect(plugins.order().slice(2)).toEqual(['two DEL', 'one DEL']);
    expect(await cni.getCachedAttachments()).toEqual([]);
  });

  it('stops at a plugin that fails and remembers the attachment', async () => {
    plugins.fail('two', 'DEL', 11);
    await cni.addNetworkList(network(), conf);
    await expect(cni.delNetworkList(network(), conf)).rejects.toMatchObject({ details: { code: 11 } });
    expect(await cni.getNetworkListCachedResult(conf)).toMatchObject({ dns: { nameservers: ['10.1.0.1'] } });
    expect(await cni.getNetworkListCachedConfig(conf)).toMatchObject({ conf, list: { name: 'net' } });
  });

  it('goes on without a result that a power cut tore', async () => {
    await cni.addNetworkList(network(), conf);
    writeFileSync(join(plugins.folder, 'state/c1/result.eth0'), '');
    await cni.delNetworkList(network(), conf);
    expect(plugins.calls().at(-1)?.stdin).toEqual({ cniVersion: '1.0.0', name: 'net', type: 'one' });
  });
});

describe('the records of attachments', () => {
  it('are there whole at every moment, also while another takes the place of one', async () => {
    const folder = join(plugins.folder, 'state/c1');
    const inode = () => lstatSync(join(folder, 'attachment.eth0')).ino;
    await attachments.save({ list: network(), conf });
    const first = inode();
    // What a host program that was killed while it wrote one has left.
    writeFileSync(join(folder, '.attachment.eth0.1-1'), '{');
    await attachments.save({ list: network(), conf: { ...conf, netNS: '/run/other' } });
    expect(inode()).not.toBe(first);
    expect(await attachments.list()).toMatchObject([{ conf: { netNS: '/run/other' } }]);
  });

  it('count for nothing if they are torn, as nothing was added by those, and are not guessed at otherwise', async () => {
    await attachments.save({ list: network(), conf });
    const path = join(plugins.folder, 'state/c1/attachment.eth0');
    const text = readFileSync(path, 'utf8');
    for (const torn of ['', text.slice(0, 40)]) {
      writeFileSync(path, torn);
      expect(await attachments.list()).toEqual([]);
    }
    for (const other of ['{}', text.replace('"version":1', '"version":9'), text.replace('"eth0"', '"../x"')]) {
      writeFileSync(path, other);
      await expect(attachments.list()).rejects.toMatchObject({ code: 'CORRUPT_STATE', details: { path } });
    }
  });
});

describe('CHECK', () => {
  it('gives every plugin the result of the ADD, and tells what one found', async () => {
    await cni.addNetworkList(network(), conf);
    plugins.forget();
    await cni.checkNetworkList(network(), conf);
    expect(plugins.order()).toEqual(['one CHECK', 'two CHECK']);
    expect(plugins.calls().map(({ stdin }) => stdin['prevResult'])).toEqual([second, second]);
    plugins.fail('two', 'CHECK', 100, 'route gone');
    await expect(cni.checkNetworkList(network(), conf)).rejects.toMatchObject({
      details: { code: 100, msg: 'route gone' },
    });
  });

  it('is not done where the configuration or its version rules it out', async () => {
    await cni.checkNetworkList(network({ disableCheck: true }), conf);
    await expect(cni.checkNetworkList(network({ cniVersion: '0.3.1' }), conf)).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    expect(plugins.calls()).toEqual([]);
  });
});

describe('GC', () => {
  it('deletes what is remembered and not valid, then tells every plugin what is valid, past errors', async () => {
    const list = network({ cniVersion: '1.1.0' });
    for (const containerID of ['c1', 'c2']) await cni.addNetworkList(list, { ...conf, containerID });
    plugins.forget();
    plugins.fail('one', 'GC', 100, 'first').fail('two', 'GC', 101, 'second');
    await expect(cni.gcNetworkList(list, [{ containerID: 'c2', ifName: 'eth0' }])).rejects.toMatchObject({
      code: 'PLUGIN_ERROR',
      details: { errors: [expect.stringContaining('first'), expect.stringContaining('second')] },
    });
    expect(plugins.order()).toEqual(['two DEL', 'one DEL', 'one GC', 'two GC']);
    expect(plugins.calls().at(-1)?.stdin).toMatchObject({
      'cni.dev/valid-attachments': [{ containerID: 'c2', ifname: 'eth0' }],
    });
    expect((await cni.getCachedAttachments()).map((one) => one.conf.containerID)).toEqual(['c2']);
  });

  it('asks no plugin before version 1.1, and does nothing where it is disabled', async () => {
    await cni.addNetworkList(network(), conf);
    plugins.forget();
    await cni.gcNetworkList(network({ disableGC: true }), []);
    expect(plugins.calls()).toEqual([]);
    await cni.gcNetworkList(network(), []);
    expect(plugins.order()).toEqual(['two DEL', 'one DEL']);
  });
});

describe('STATUS and VERSION', () => {
  it('tell whether a network can take attachments', async () => {
    const list = network({ cniVersion: '1.1.0' });
    await cni.getStatusNetworkList(list);
    plugins.fail('two', 'STATUS', 50, 'no addresses left');
    await expect(cni.getStatusNetworkList(list)).rejects.toMatchObject({
      details: { code: 50, msg: 'no addresses left' },
    });
    plugins.forget();
    await cni.getStatusNetworkList(network());
    expect(plugins.calls()).toEqual([]);
  });

  it('validate a network: its plugins are there, speak its version, and have these capabilities', async () => {
    for (const type of ['one', 'two'])
      plugins.answer(type, 'VERSION', { cniVersion: '1.1.0', supportedVersions: ['0.4.0', '1.0.0'] });
    const list = network({}, [
      { type: 'one', capabilities: { mac: true } },
      { type: 'two', capabilities: { mac: true, ips: true, dns: false } },
    ]);
    expect(await cni.validateNetworkList(list)).toEqual(['mac', 'ips']);
    await cni.validateNetworkList(list);
    expect(plugins.order()).toEqual(['one VERSION', 'two VERSION']);
    await expect(cni.validateNetworkList(network({ cniVersion: '1.1.0' }))).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    await expect(cni.validateNetworkList(network({}, [{ type: 'absent' }]))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  it('take a plugin that has no VERSION for one of 0.1.0', async () => {
    plugins.fail('one', 'VERSION', 4, 'unknown CNI_COMMAND: VERSION');
    expect(await cni.getVersionInfo('one')).toEqual({ supportedVersions: ['0.1.0'] });
  });

  it('agree on the newest version that the configuration and all plugins have', async () => {
    const versions = { cniVersion: '1.1.0', cniVersions: ['0.4.0', '1.0.0', '2.0.0'] };
    plugins
      .answer('one', 'VERSION', { supportedVersions: ['0.4.0', '1.0.0', '1.1.0'] })
      .answer('two', 'VERSION', { supportedVersions: ['0.4.0', '1.0.0'] });
    expect(network(versions).cniVersion).toBe('1.1.0');
    expect(await cni.agreeOnVersion(network(versions))).toMatchObject({ cniVersion: '1.0.0', cniVersions: ['1.0.0'] });
    expect((await cni.agreeOnVersion(network())).cniVersion).toBe('1.0.0');
  });
});

describe('turns', () => {
  it('keeps what is asked for one container in order, and runs that of several at once', async () => {
    const meet = (me: string, other: string) =>
      `touch ${plugins.folder}/${me}; while [ ! -e ${plugins.folder}/${other} ]; do sleep 0.01; done`;
    plugins.script(
      'one',
      'ADD',
      `if [ $CNI_CONTAINERID = a ]; then ${meet('a', 'b')}; else ${meet('b', 'a')}; fi; echo '${JSON.stringify(first)}'`,
    );
    const list = network({}, [{ type: 'one' }]);
    const of = (containerID: string) => ({ ...conf, containerID });
    await Promise.all([
      cni.addNetworkList(list, of('a')),
      cni.delNetworkList(list, of('a')),
      cni.addNetworkList(list, of('b')),
    ]);
    const ofA = plugins.calls().filter(({ environment }) => environment['CNI_CONTAINERID'] === 'a');
    expect(ofA.map(({ command }) => command)).toEqual(['ADD', 'DEL']);
  });

  it('collects a network when nothing is being attached to it, and attaches when it has been collected', async () => {
    const list = network({ cniVersion: '1.1.0' }, [{ type: 'one' }]);
    const mark = (what: string) =>
      `echo ${what} begins >>${plugins.folder}/marks; sleep 0.05; echo ${what} ends >>${plugins.folder}/marks;`;
    plugins
      .script('one', 'ADD', `${mark('$CNI_CONTAINERID')} echo '${JSON.stringify(first)}'`)
      .script('one', 'GC', mark('gc'));
    const adding = cni.addNetworkList(list, { ...conf, containerID: 'a' });
    await new Promise(setImmediate);
    const collecting = cni.gcNetworkList(list, [
      { containerID: 'a', ifName: 'eth0' },
      { containerID: 'b', ifName: 'eth0' },
    ]);
    await Promise.all([adding, collecting, cni.addNetworkList(list, { ...conf, containerID: 'b' })]);
    const marks = readFileSync(join(plugins.folder, 'marks'), 'utf8').trim().split('\n');
    expect(marks).toEqual(['a begins', 'a ends', 'gc begins', 'gc ends', 'b begins', 'b ends']);
  });
});

it('attaches to a plugin that is a network by itself', async () => {
  const single = parseNetworkConfig(JSON.stringify({ cniVersion: '0.2.0', name: 'single', type: 'three' }));
  plugins.answer('three', 'ADD', {
    cniVersion: '0.2.0',
    ip4: { ip: '10.1.0.2/16', gateway: '10.1.0.1', routes: [{ dst: '0.0.0.0/0' }] },
  });
  expect(await cni.addNetwork(single, conf)).toEqual({
    ips: [{ address: '10.1.0.2/16', gateway: '10.1.0.1' }],
    routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }],
    dns: {},
  });
  await cni.delNetwork(single, conf);
  expect(plugins.order()).toEqual(['three ADD', 'three DEL']);
});

function isAlive(pid: string): boolean {
  try {
    return !/^State:\s*Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
