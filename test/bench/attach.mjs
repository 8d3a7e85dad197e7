/**
 * `node test/bench/attach.mjs [--rounds 100]`: what attaching a container to a network costs over the plugins' own time, in turn: the ADD of
 * bridge and host-local by a C program that does nothing else; by `@gantry/cni` alone, and with programs that the addon starts; by the isolator
 * `network/cni`, as the containerizer has it, its preparation and what it does while the first process waits; and launches of a sandbox with that network and without. Needs root and
 * containernetworking-plugins; takes less than a minute.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CNI, FileAttachments, networkCni, ProcessExec, parseNetworkConfigList } from '@gantry/cni';
import { createContainerizer } from '@gantry/containerizer';
import { createHostProcesses, createHostPrograms, createNamespacePins } from '@gantry/launcher';
import { compile } from './compile.mjs';
import { interleave } from './contender.mjs';
import { DrivenProgram } from './driven-program.mjs';
import { machine } from './machine.mjs';
import { percentile } from './statistics.mjs';
import { table } from './table.mjs';

/** @import { Contender } from './contender.mjs' */
/** @import { PrepareContext } from '@gantry/interface' */

const pluginFolder = '/usr/lib/cni';
const bridge = 'gbench0';
const network = 'bench';

/**
 * The ADD by a program that only starts plugins.
 * @param {{ folder: string, program: string, config: object, netNS: string }} options
 * @returns {Promise<Contender>}
 */
async function plain({ folder, program, config, netNS }) {
  const request = join(folder, 'request');
  writeFileSync(request, JSON.stringify(config));
  /** @param {'ADD' | 'DEL'} command */
  const driven = (command) => {
    const environment = {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      CNI_COMMAND: command,
      CNI_PATH: pluginFolder,
      CNI_CONTAINERID: 'bench-plain',
      CNI_IFNAME: 'eth0',
      CNI_NETNS: netNS,
    };
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    return new DrivenProgram('env', ['-i', ...variables, program, '-i', request, join(pluginFolder, 'bridge')]);
  };
  const [add, del] = [driven('ADD'), driven('DEL')];
  return {
    async run() {
      const milliseconds = await add.run();
      await del.run();
      return new Map([['plugins alone', milliseconds]]);
    },
    async close() {
      await add.close();
      await del.close();
    },
  };
}

const byAddon = () => new ProcessExec({ programs: createHostPrograms() });

/**
 * @param {{ name: string, exec: ProcessExec, folder: string, text: string, netNS: string }} options
 * @returns {Contender}
 */
function library({ name, exec, folder, text, netNS }) {
  const attachments = new FileAttachments(join(folder, 'records'));
  const cni = new CNI({ pluginFolders: [pluginFolder], attachments, exec });
  const list = parseNetworkConfigList(text);
  const conf = { containerID: 'bench-cni', ifName: 'eth0', netNS };
  return {
    async run() {
      const start = performance.now();
      await cni.addNetworkList(list, conf);
      const milliseconds = performance.now() - start;
      await cni.delNetworkList(list, conf);
      return new Map([[name, milliseconds]]);
    },
    close: async () => undefined,
  };
}

/**
 * @param {{ folder: string, configFolder: string, pid: number }} options
 * @returns {Contender}
 */
function isolated({ folder, configFolder, pid }) {
  const isolator = networkCni({
    stateFolder: join(folder, 'networks'),
    namespaceFolder: join(folder, 'netns'),
    pins: createNamespacePins(),
    processes: createHostProcesses(),
    exec: byAddon(),
    configFolder,
    pluginFolders: [pluginFolder],
  });
  let number = 0;
  return {
    async run() {
      number += 1;
      const id = `bench-isolator-${number}`;
      /** @type {PrepareContext} */
      const context = {
        id,
        spec: { id, sandbox: true, networks: [{ name: network }] },
        rootfs: { path: folder, mount: { type: 'directory', source: folder }, readFile: async () => undefined },
        cgroupPath: `/gantry/${id}`,
      };
      const start = performance.now();
      await isolator.edits(context);
      await isolator.prepare?.(context);
      const prepared = performance.now();
      await isolator.isolate?.(id, pid);
      const end = performance.now();
      await isolator.cleanup?.(id);
      return new Map([
        ['isolator', end - start],
        ['of that, isolate', end - prepared],
      ]);
    },
    close: async () => undefined,
  };
}

/**
 * @param {{ folder: string, configFolder: string }} options
 * @returns {Promise<Contender>}
 */
async function launches({ folder, configFolder }) {
  const containerizer = await createContainerizer({
    root: join(folder, 'root'),
    stateRoot: join(folder, 'state'),
    networks: { configFolder, pluginFolders: [pluginFolder] },
  });
  await containerizer.recover();
  /** @param {object} spec */
  const launch = async (spec) => {
    const start = performance.now();
    const { id } = await containerizer.launch({ sandbox: true, ...spec });
    const milliseconds = performance.now() - start;
    await containerizer.destroy(id);
    await containerizer.remove(id);
    return milliseconds;
  };
  return {
    run: async () =>
      new Map([
        ['launch without a network', await launch({})],
        ['launch with one', await launch({ networks: [{ name: network }] })],
      ]),
    close: () => containerizer[Symbol.asyncDispose](),
  };
}

/** @param {number} rounds */
async function measure(rounds) {
  // Memory, so that nobody's disk is in the figures.
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'gantry-attach-'));
  const configFolder = join(folder, 'net.d');
  mkdirSync(configFolder);
  const ipam = { type: 'host-local', dataDir: join(folder, 'leases'), ranges: [[{ subnet: '10.199.0.0/16' }]] };
  const plugin = { type: 'bridge', bridge, isGateway: true, ipam };
  const text = JSON.stringify({ cniVersion: '1.0.0', name: network, plugins: [plugin] });
  writeFileSync(join(configFolder, '10-bench.conflist'), text);
  const sleeper = spawn('unshare', ['--net', 'sleep', 'infinity'], { stdio: 'ignore' });
  await once(sleeper, 'spawn');
  const pid = sleeper.pid ?? 0;
  const netNS = join(folder, 'own-netns');
  const pins = createNamespacePins();
  try {
    // unshare(1) has become sleep(1) once it is in a namespace of its own.
    while (execFileSync('cat', [`/proc/${pid}/comm`], { encoding: 'utf8' }).trim() !== 'sleep');
    await pins.pin(netNS, pid);
    const contenders = [
      await plain({
        folder,
        program: await compile('time-exec', folder),
        config: { cniVersion: '1.0.0', name: network, ...plugin },
        netNS,
      }),
      library({ name: '@gantry/cni alone', exec: new ProcessExec(), folder, text, netNS }),
      library({ name: '@gantry/cni, addon', exec: byAddon(), folder, text, netNS }),
      isolated({ folder, configFolder, pid }),
      await launches({ folder, configFolder }),
    ];
    try {
      return await interleave(contenders, { rounds, warmUp: 5 });
    } finally {
      for (const contender of contenders) await contender.close();
    }
  } finally {
    await pins.unpin(netNS);
    sleeper.kill('SIGKILL');
    await once(sleeper, 'exit');
    if (existsSync(`/sys/class/net/${bridge}`)) execFileSync('ip', ['link', 'delete', bridge]);
    rmSync(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '100' } } });
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError('--rounds takes a number of at least 1');
const figures = await measure(rounds);

/** @param {string} name @param {number} share */
const at = (name, share) => percentile(figures.get(name) ?? [Number.NaN], share);
/** @param {string} name */
const over = (name) => ['plugins alone', 'launch without a network', 'of that, isolate'].includes(name);
/** @param {number} share */
const left = (share) =>
  at('launch with one', share) - at('launch without a network', share) - at('plugins alone', share);
const rows = [...figures.keys()].map((name) => [
  name,
  at(name, 0.1).toFixed(2),
  at(name, 0.5).toFixed(2),
  over(name) || name === 'launch with one' ? '' : (at(name, 0.5) - at('plugins alone', 0.5)).toFixed(2),
]);
console.log(`${machine()}; ${rounds} rounds, all in turn\n`);
console.log(
  table([
    ['attaching to a bridge', 'p10 ms', 'p50 ms', 'p50 over the plugins, ms'],
    ...rows,
    ['left of a launch for the attachment', left(0.1).toFixed(2), left(0.5).toFixed(2), left(0.5).toFixed(2)],
  ]),
);
