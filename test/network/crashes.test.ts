import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createContainerizer } from '@gantry/containerizer';
import { type Containerizer, errnoOf } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FakePlugins } from '../../packages/cni/test/fake-plugins.js';
import { processStates } from '../support/processes.mjs';
import { requires } from '../support/requires.js';
import {
  bridged,
  deleteLinks,
  type NetworkHost,
  needs,
  networkState,
  plugins,
  portmap,
  startNetworkHost,
  waits,
} from './networks.js';

/** A plugin that kills its host program, and goes on: with the result of the one before, or with what the real one does. */
const killsHost = 'kill -9 $PPID';
const passesOn = `printf '%s' "$stdin" | sed -n 's/.*"prevResult":\\(.*\\)}$/\\1/p'`;
const goesOn = (real: string) => `printf '%s' "$stdin" | exec ${plugins}/${real}`;

requires({ ...needs, commands: [...needs.commands, 'umount'] })('what is left of networks', () => {
  let net: NetworkHost;
  let fakes: FakePlugins;
  let clean: ReturnType<typeof networkState>;
  beforeAll(async () => {
    fakes = new FakePlugins('gate', 'slow');
    net = await startNetworkHost(
      {
        'plain.conflist': bridged('plain', 'gcrash0', 91, portmap),
        'before.conflist': bridged('before', 'gcrash0', 91, { type: 'gate' }, portmap),
        'during.conflist': {
          cniVersion: '1.0.0',
          name: 'during',
          plugins: [{ ...first(bridged('plain', 'gcrash0', 91)), type: 'slow' }],
        },
      },
      { pluginFolders: [plugins, fakes.folder], timeoutMs: 20_000 },
    );
    // What plugins make once, for all containers to come.
    const { containerizer, image } = net.host;
    const { id } = await containerizer.launch({
      image,
      ...waits,
      networks: [{ name: 'plain' }],
      ports: [{ containerPort: 80 }],
    });
    await containerizer.destroy(id);
    await containerizer.remove(id);
    clean = networkState(net);
  });
  afterAll(async () => {
    await net[Symbol.asyncDispose]();
    fakes[Symbol.dispose]();
    deleteLinks('gcrash0');
  });

  const networks = () => ({ configFolder: net.configFolder, pluginFolders: [plugins, fakes.folder] });
  /** A state root of its own: the host program of the test itself is not to be its heir. */
  const folders = () => [net.host.root, `${net.host.stateRoot}-crash`] as const;
  const next = (): Promise<Containerizer> =>
    createContainerizer({ root: folders()[0], stateRoot: folders()[1], networks: networks() });
  const state = () => networkState({ ...net, host: { ...net.host, stateRoot: folders()[1] } });

  function startProgram(): ChildProcess {
    const script = fileURLToPath(new URL('./host-program.mjs', import.meta.url));
    return spawn(process.execPath, [script, ...folders(), JSON.stringify(networks())], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
  }

  /** Has a host program do something until it is killed, or says how that went. */
  async function order(program: ChildProcess, what: object): Promise<string> {
    program.stdin?.write(`${JSON.stringify(what)}\n`);
    const line = new Promise<string>((resolve) =>
      program.stdout?.once('data', (text: Buffer) => resolve(String(text))),
    );
    const killed = once(program, 'exit').then(([code, signal]) => `ended with ${signal ?? code}`);
    return Promise.race([line, killed]);
  }

  const spec = (id: string, name: string) => ({
    id,
    image: net.host.image,
    ...waits,
    networks: [{ name }],
    ports: [{ containerPort: 80 }],
  });

  it.each([
    ['between two plugins', 'before', `gate.ADD`, `${killsHost}; ${passesOn}`],
    ['while one is at work, which goes on', 'during', 'slow.ADD', `${killsHost}; sleep 30; ${goesOn('bridge')}`],
    ['before one begins, which then fails', 'during', 'slow.ADD', `${killsHost}; exit 1`],
  ])('is nothing when the host program is killed %s, and there is another one', async (_, network, script, text) => {
    writeFileSync(join(fakes.folder, script), text);
    const id = 'struck';
    const { ports: __, ...plain } = spec(id, network);
    const program = startProgram();
    expect(await order(program, { launch: network === 'during' ? plain : spec(id, network) })).toBe(
      'ended with SIGKILL',
    );
    for (const command of ['ADD', 'DEL'])
      writeFileSync(join(fakes.folder, `gate.${command}`), command === 'ADD' ? passesOn : '');
    writeFileSync(join(fakes.folder, 'slow.DEL'), goesOn('bridge'));
    await using heir = await next();
    expect((await heir.recover()).failed).toEqual([]);
    // One that went on would attach what nobody knows of.
    const added = fakes.calls().filter(({ command }) => command === 'ADD');
    const running = new Set((await processStates()).map(({ pid }) => `${pid}`));
    expect(added.filter(({ pid }) => running.has(`${pid}`))).toEqual([]);
    await heir.remove(id);
    expect(state()).toEqual(clean);
  });

  it('is nothing when the host program is killed while it deletes, and there is another one', async () => {
    writeFileSync(join(fakes.folder, 'gate.ADD'), passesOn);
    writeFileSync(join(fakes.folder, 'gate.DEL'), killsHost);
    const program = startProgram();
    expect(await order(program, { launch: spec('deleted', 'before') })).toMatch(/RUNNING/);
    expect(await order(program, { destroy: 'deleted' })).toBe('ended with SIGKILL');
    expect(state()).not.toEqual(clean);
    writeFileSync(join(fakes.folder, 'gate.DEL'), '');
    await using heir = await next();
    expect(await heir.recover()).toMatchObject({ failed: [] });
    await heir.remove('deleted');
    expect(state()).toEqual(clean);
  });

  it('is what belongs to containers that go on, which the next host program knows', async () => {
    const program = startProgram();
    const told = JSON.parse(await order(program, { launch: spec('survivor', 'plain') })) as object;
    program.kill('SIGKILL');
    await once(program, 'exit');
    await using heir = await next();
    expect(await heir.recover()).toMatchObject({ running: ['survivor'], failed: [] });
    const { networks, ports } = told as { networks: object; ports: object };
    expect(await heir.status('survivor')).toMatchObject({ networks, ports });
    expect((await heir.usage('survivor')).network).toMatchObject([{ interface: 'eth0' }]);
    const nested = await heir.launch({ image: net.host.image, ...waits, parent: 'survivor' });
    await heir.destroy('survivor');
    await heir.remove('survivor');
    await expect(heir.status(nested.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(state()).toEqual(clean);
  });

  it('is kept where DEL fails, and removed when it is tried again', async () => {
    const { containerizer } = net.host;
    writeFileSync(join(fakes.folder, 'gate.ADD'), passesOn);
    fakes.fail('gate', 'DEL', 11, 'come back later');
    const { id } = await containerizer.launch(spec('stubborn', 'before'));
    await expect(containerizer.destroy(id)).rejects.toMatchObject({
      code: 'CLEANUP_FAILED',
      message: expect.stringContaining('come back later'),
    });
    expect(await containerizer.status(id)).toMatchObject({
      state: 'DESTROYED',
      failedSteps: [{ name: 'isolator network/cni' }],
    });
    expect(existsSync(join(net.host.stateRoot, 'netns', id))).toBe(true);
    writeFileSync(join(fakes.folder, 'gate.DEL'), '');
    await containerizer.destroy(id);
    await containerizer.remove(id);
    expect(networkState(net)).toEqual(clean);
  });

  it('is deleted with the configuration that it was added with', async () => {
    const { containerizer } = net.host;
    const path = join(net.configFolder, 'before.conflist');
    const configuration = readFileSync(path, 'utf8');
    writeFileSync(join(fakes.folder, 'gate.ADD'), passesOn);
    writeFileSync(join(fakes.folder, 'gate.DEL'), '');
    const { id } = await containerizer.launch(spec('changed', 'before'));
    writeFileSync(path, configuration.replaceAll('gcrash0', 'gcrash9').replaceAll('"10.91.', '"10.99.'));
    fakes.forget();
    await containerizer.destroy(id);
    await containerizer.remove(id);
    writeFileSync(path, configuration);
    expect(fakes.order()).toEqual(['gate DEL']);
    expect(networkState(net)).toEqual(clean);
  });

  it('is nothing when the plugin is killed, at whatever moment', async () => {
    const { containerizer, image } = net.host;
    writeFileSync(join(fakes.folder, 'slow.DEL'), goesOn('bridge'));
    let failed = 0;
    for (let at = 0; at < 24; at++) {
      // Of a run of some tens of milliseconds; with it ends what it has started.
      writeFileSync(
        join(fakes.folder, 'slow.ADD'),
        `(sleep ${(at * 0.004).toFixed(3)}; kill -9 -$$) & ${goesOn('bridge')}`,
      );
      const launched = containerizer.launch({ image, id: `k${at}`, ...waits, networks: [{ name: 'during' }] });
      await launched.catch(() => {
        failed += 1;
      });
      await containerizer.destroy(`k${at}`);
      await containerizer.remove(`k${at}`);
      expect(networkState(net), `killed after ${at * 4} ms`).toEqual(clean);
    }
    expect(failed).toBeGreaterThan(0);
  });

  it('is nothing once a plugin that was killed while it deletes is run again', async () => {
    const { containerizer, image } = net.host;
    writeFileSync(join(fakes.folder, 'slow.ADD'), goesOn('bridge'));
    let failed = 0;
    for (let at = 0; at < 8; at++) {
      writeFileSync(
        join(fakes.folder, 'slow.DEL'),
        `(sleep ${(at * 0.004).toFixed(3)}; kill -9 -$$) & ${goesOn('bridge')}`,
      );
      const id = `d${at}`;
      await containerizer.launch({ image, id, ...waits, networks: [{ name: 'during' }] });
      await containerizer.destroy(id).catch((error: unknown) => {
        expect(error).toMatchObject({ code: 'CLEANUP_FAILED' });
        failed += 1;
      });
      writeFileSync(join(fakes.folder, 'slow.DEL'), goesOn('bridge'));
      await containerizer.destroy(id);
      await containerizer.remove(id);
      expect(networkState(net), `killed after ${at * 4} ms`).toEqual(clean);
    }
    expect(failed).toBeGreaterThan(0);
  });

  it('are no empty leases, which nobody would find again', async () => {
    const lease = join(net.leases, 'plain', '10.91.200.1');
    writeFileSync(lease, '');
    await using heir = await next();
    expect((await heir.recover()).failed).toEqual([]);
    expect(existsSync(lease)).toBe(false);
  });

  it('are leases of others, unless nobody else is to have any', async () => {
    const lease = join(net.leases, 'plain', '10.91.200.2');
    writeFileSync(lease, 'somebody\r\neth0');
    const { id } = await net.host.containerizer.launch(spec('mine', 'plain'));
    const mine = networkState(net).leases.length;
    await using polite = await next();
    await polite.recover();
    expect(networkState(net).leases.length).toBe(mine);
    await using strict = await createContainerizer({
      root: net.host.root,
      stateRoot: net.host.stateRoot,
      networks: { ...networks(), collectGarbage: true },
    });
    expect((await strict.recover()).failed).toEqual([]);
    expect(existsSync(lease)).toBe(false);
    expect(networkState(net).leases.length).toBe(mine - 1);
    await net.host.containerizer.destroy(id);
    await net.host.containerizer.remove(id);
  });

  it('is nothing after a restart of the machine, with the plugins told that the namespace is gone', async () => {
    fakes.forget();
    writeFileSync(join(fakes.folder, 'gate.ADD'), passesOn);
    writeFileSync(join(fakes.folder, 'gate.DEL'), '');
    const program = startProgram();
    const { pid, shimPid } = JSON.parse(await order(program, { launch: spec('reboot', 'before') })) as {
      pid: number;
      shimPid: number;
    };
    program.kill('SIGKILL');
    await once(program, 'exit');
    // As a restart would: no process, no namespace, no rule, another boot id; the folders stay.
    for (const one of [shimPid, pid]) killIfThere(one);
    await once(spawn('umount', [join(folders()[1], 'netns', 'reboot')]), 'exit');
    for (const command of ['iptables', 'ip6tables']) {
      const others = `${command}-save -t nat | grep -v CNI | ${command}-restore -T nat`;
      await once(spawn('sh', ['-c', others]), 'exit');
    }
    const folder = join(folders()[1], 'containers', 'reboot');
    for (const file of readdirSync(folder)) {
      const path = join(folder, file);
      const text = file.includes('sock') ? '' : readFileSync(path, 'utf8');
      const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
      if (text.includes(bootId)) writeFileSync(path, text.replaceAll(bootId, '11111111-2222-4333-8444-555555555555'));
    }
    await using heir = await next();
    expect(await heir.recover()).toMatchObject({ cleaned: ['reboot'], failed: [] });
    const deleted = fakes.calls().filter(({ command }) => command === 'DEL');
    expect(deleted[0]?.environment).toMatchObject({ CNI_NETNS: '', CNI_IFNAME: 'eth0', CNI_CONTAINERID: 'reboot' });
    expect(deleted[0]?.stdin['prevResult']).toMatchObject({
      ips: [{ address: expect.stringMatching(/^10\.91\./) }, {}],
    });
    await heir.remove('reboot');
    expect(state()).toEqual({ ...clean, rules: clean.rules.filter((rule) => !rule.includes('CNI')) });
  });
});

function first(list: object): object {
  return (list as { plugins: object[] }).plugins[0] ?? {};
}

/** The end of a shim is its container's, too, sooner or later. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
