import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Launcher, OciSpec } from '@gantry/interface';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLauncher } from '../src/index.js';
import { Host, processesCalled, processRuns, skipNote, skipReason } from './support/host.js';

/** Where the version 2 tree is mounted, be it alone or beside the version 1 controllers. */
const unified = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find(
  (path) => existsSync(join(path, 'cgroup.procs')) && existsSync(join(path, 'cgroup.controllers')),
);

const capabilities = ['CAP_CHOWN', 'CAP_KILL', 'CAP_SETPCAP'];

describe.skipIf(skipReason !== '')(`a launched container${skipNote}`, () => {
  let host: Host;
  beforeAll(() => {
    host = new Host();
  });
  afterAll(() => host.dispose());

  const shell = (script: string) => ['sh', '-c', script];

  it.each([
    ['exit 0', { type: 'exited', code: 0 }],
    ['exit 42', { type: 'exited', code: 42 }],
    // In a pid namespace of its own a first process is immune to its own signals, so this one has the host's.
    ['kill -TERM $$', { type: 'signaled', signal: 'SIGTERM' }],
  ])('ends as the kernel says: %s', async (script, status) => {
    const before = Date.now();
    const { exit } = await host.run(shell(script), (config) => {
      config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'pid');
      config.mounts = config.mounts.filter(({ destination }) => destination !== '/proc');
    });
    expect(exit).toMatchObject(status);
    expect(exit.at).toBeGreaterThanOrEqual(before - 1);
    expect(exit.at).toBeLessThanOrEqual(Date.now() + 1);
  });

  /** Launches as a containerizer does, to the end. */
  async function launchAhead(launcher: Launcher, edit?: (config: OciSpec) => unknown) {
    const request = host.request(shell('readlink /proc/$$/ns/ipc'), edit);
    await using pending = launcher.begin(request.id);
    await pending.announce(request);
    await using container = await pending.launch(request, { release: true });
    const { shimPid } = container;
    const title = readFileSync(`/proc/${shimPid}/cmdline`, 'utf8').split('\0')[1];
    expect(await container.exit).toMatchObject({ type: 'exited', code: 0 });
    expect(title).toBe(request.id);
    await expect.poll(() => processesCalled(request.id)).toEqual([]);
    const { stdout } = await host.output(request.stateDir);
    return { shimPid, ipc: stdout.trim() };
  }

  it.each([true, false])('has the namespaces that its document asks for, with spare: %s', async (spareShim) => {
    const launcher = createLauncher({ spareShim });
    const hostLink = readlinkSync('/proc/self/ns/ipc');
    for (const types of [['ipc', 'uts'], ['ipc', 'uts'], ['uts'], ['uts'], ['ipc'], ['ipc', 'uts']]) {
      const { ipc } = await launchAhead(launcher, (config) => {
        config.linux.namespaces = config.linux.namespaces.filter(
          ({ type }) => type === 'mount' || types.includes(type),
        );
      });
      expect(ipc === hostLink).toBe(!types.includes('ipc'));
    }
    await launcher.close?.();
    await expect.poll(() => spares()).toEqual([]);
  });

  const spares = (pid = process.pid) => processesCalled(`spare of ${pid}`.padEnd(64));

  it('comes of a spare, if there was a launch lately, that ends with the launcher and when it is not wanted', async () => {
    const launcher = createLauncher();
    await launchAhead(launcher);
    await expect.poll(() => spares().length).toBe(2);
    const first = spares();
    expect(first).toContain((await launchAhead(launcher)).shimPid);
    await expect.poll(() => spares().length).toBe(2);
    const second = spares();
    // One that was ended by somebody else is not missed.
    for (const pid of second) process.kill(pid, 'SIGKILL');
    while (second.some(processRuns)) await new Promise((resolve) => setImmediate(resolve));
    // Its connection has ended by now, which takes turns of the event loop to be noticed.
    for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(second).not.toContain((await launchAhead(launcher)).shimPid);
    await expect.poll(() => spares().length).toBe(2);
    const unused = launcher.begin('box-unused');
    await unused[Symbol.asyncDispose]();
    await expect.poll(spares).toEqual([]);
    await launchAhead(launcher);
    await expect.poll(() => spares().length).toBe(2);
    await launcher.close?.();
    await expect.poll(spares).toEqual([]);
  });

  it('does without its spare if that is ended just as it is to be used', async () => {
    const launcher = createLauncher();
    for (let turn = 0; turn < 4; turn++) {
      await launchAhead(launcher);
      await expect.poll(() => spares().length).toBe(2);
      const [one = 0, other = 0] = spares();
      const request = host.request(shell('echo once'));
      const pending = launcher.begin(request.id);
      await pending.announce(request);
      process.kill(turn % 2 === 0 ? one : other, 'SIGKILL');
      process.kill(turn % 2 === 0 ? other : one, 'SIGKILL');
      await using container = await pending.launch(request, { release: true });
      expect(await container.exit).toMatchObject({ type: 'exited', code: 0 });
      expect((await host.output(request.stateDir)).stdout).toBe('once\n');
    }
    await launcher.close?.();
  });

  const pids = '/sys/fs/cgroup/pids';
  it.skipIf(!existsSync(join(pids, 'tasks')))(
    'does without a spare in control groups if it is to be in none',
    async () => {
      const launcher = createLauncher();
      const group = join(pids, `gantry-launcher-${process.pid}`);
      const ahead = `${group}-ahead`;
      for (const folder of [group, ahead]) mkdirSync(folder);
      const launch = async (cgroups: readonly string[], script: string) => {
        const request = { ...host.request(shell(script)), cgroups };
        await using pending = launcher.begin(request.id);
        await pending.announce(request);
        const told = (await pending.groups())?.folders;
        await using container = await pending.launch(request, {
          release: true,
          meanwhile: async () => false,
          spareGroups: async () => ({
            path: '',
            folders: [ahead],
            [Symbol.asyncDispose]: async () => rmdirSync(ahead),
          }),
        });
        expect(await container.exit).toMatchObject({ type: 'exited', code: 0 });
        return { told, ...(await host.output(request.stateDir)) };
      };
      await launch([group], 'true');
      await expect.poll(() => readFileSync(join(ahead, 'tasks'), 'utf8')).toMatch(/^\d+\n$/);
      const { told, stdout } = await launch([], 'grep pids /proc/self/cgroup');
      expect(told).toBeUndefined();
      expect(stdout).not.toContain('ahead');
      await launcher.close?.();
      for (const folder of [group, ahead]) if (existsSync(folder)) rmdirSync(folder);
    },
  );

  it.each(['close', 'leave'])('does not keep a program alive by its spare, which ends with it: %s', async (how) => {
    const request = host.request(['true']);
    const script = `
      import { createLauncher } from '@gantry/launcher';
      const request = JSON.parse(process.argv[1]);
      const launcher = createLauncher();
      const pending = launcher.begin(request.id);
      await pending.announce(request);
      const container = await pending.launch(request, { release: true });
      await container.exit;
      await container[Symbol.asyncDispose]();
      await new Promise((resolve) => setTimeout(resolve, 50));
      if (process.argv[2] === 'close') await launcher.close?.();
      process.stdout.write('done');`;
    const args = ['--input-type=module', '-e', script, JSON.stringify(request), how];
    const { pid, status, stdout, stderr } = spawnSync(process.execPath, args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      timeout: 5000,
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'done', stderr: '' });
    await expect.poll(() => spares(pid)).toEqual([]);
  });

  it('is process 1 of its own namespaces, with the identity that the document gives it', async () => {
    const { stdout, exit } = await host.run(
      shell(
        'echo $$; hostname; pwd; umask; id -u; id -g; id -G; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; ip -o link; echo $COLOUR',
      ),
      (config) => {
        config.hostname = 'box';
        config.process.cwd = '/made/for/it';
        config.process.user = { uid: 1000, gid: 100, additionalGids: [5], umask: 0o027 };
        config.process.rlimits = [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 200 }];
        config.process.oomScoreAdj = 700;
        config.process.env.push('COLOUR=blue');
      },
    );
    const [pid, hostname, cwd, umask, uid, gid, groups, soft, hard, oom, link, ...rest] = stdout.trim().split('\n');
    expect([pid, hostname, cwd, umask, uid, gid, groups]).toEqual([
      '1',
      'box',
      '/made/for/it',
      '0027',
      '1000',
      '100',
      '100 5',
    ]);
    expect([soft, hard, oom]).toEqual(['100', '200', '700']);
    expect(link).toMatch(/^1: lo: <LOOPBACK,UP,LOWER_UP>/);
    expect(rest).toEqual(['blue']);
    expect(exit).toMatchObject({ type: 'exited', code: 0 });
  });

  it('has exactly the capabilities of the document', async () => {
    const status = async (uid: number, ambient: string[]) => {
      const { stdout } = await host.run(['grep', '-E', '^(Cap|NoNewPrivs)', '/proc/self/status'], (config) => {
        config.process.user.uid = uid;
        config.process.noNewPrivileges = uid !== 0;
        config.process.capabilities = {
          bounding: capabilities,
          effective: capabilities,
          permitted: capabilities,
          inheritable: ambient,
          ambient,
        };
      });
      return Object.fromEntries(
        stdout
          .trim()
          .split('\n')
          .map((line) => line.split(/:\s+/)),
      );
    };
    const three = '0000000000000121';
    const none = '0000000000000000';
    expect(await status(0, [])).toEqual({
      CapInh: none,
      CapPrm: three,
      CapEff: three,
      CapBnd: three,
      CapAmb: none,
      NoNewPrivs: '0',
    });
    expect(await status(1000, [])).toEqual({
      CapInh: none,
      CapPrm: none,
      CapEff: none,
      CapBnd: three,
      CapAmb: none,
      NoNewPrivs: '1',
    });
    const kill = '0000000000000020';
    expect(await status(1000, ['CAP_KILL'])).toMatchObject({ CapInh: kill, CapPrm: kill, CapEff: kill, CapAmb: kill });
  });

  it('sees the mounts, masks and devices of the document, and cannot undo them', async () => {
    const { stdout } = await host.run(
      shell(
        [
          'cat /proc/cpuinfo | wc -c',
          'ls -A /proc/tty | wc -l',
          'echo 1 > /proc/sys/net/ipv4/ip_forward || echo sys',
          'cat /proc/sys/net/ipv4/ip_forward',
          'touch /new || echo root',
          'touch /data/new || echo data',
          'ls /data',
          'stat -c %F:%a /dev/null /dev/extra',
          'readlink /dev/fd',
          'readlink /dev/ptmx',
          'echo lost > /dev/full || echo full',
          'mount -t tmpfs none /tmp || echo mount',
          'df -k /scratch | tail -n 1 | tr -s " " | cut -d " " -f 2',
        ].join('; '),
      ),
      (config) => {
        config.root.readonly = true;
        config.mounts.push(
          { destination: '/data', source: join(host.rootfs, 'bin'), options: ['rbind', 'ro'] },
          { destination: '/scratch', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'size=128k'] },
        );
        config.linux.maskedPaths = ['/proc/cpuinfo', '/proc/tty', '/proc/not-there'];
        config.linux.readonlyPaths = ['/proc/sys'];
        config.linux.sysctl = { 'net.ipv4.ip_forward': '1' };
        config.linux.devices = [{ type: 'p', path: '/dev/extra', fileMode: 0o622 }];
      },
    );
    const [file, folder, sys, forward, root, data, ...rest] = stdout.trim().split('\n');
    expect([file, folder, sys, forward, root, data]).toEqual(['0', '0', 'sys', '1', 'root', 'data']);
    expect(rest.slice(0, -7)).toEqual(readdirSync(join(host.rootfs, 'bin')).sort());
    expect(rest.slice(-7)).toEqual([
      'character special file:666',
      'fifo:622',
      '/proc/self/fd',
      'pts/ptmx',
      'full',
      'mount',
      '128',
    ]);
  });

  it('writes to a root of overlay layers without changing them', async () => {
    const [upper, work] = [join(host.folder, 'upper'), join(host.folder, 'work')];
    for (const folder of [upper, work]) mkdirSync(folder);
    const request = host.request(shell('echo new > /etc/file; cat /etc/file; rm /bin/true'));
    await using container = await createLauncher().launch({
      ...request,
      rootfs: { type: 'overlay', lower: [host.rootfs], upper, work },
    });
    await container.release();
    await container.exit;
    expect(await host.output(request.stateDir)).toEqual({ stdout: 'new\n', stderr: '' });
    expect(existsSync(join(upper, 'etc/file'))).toBe(true);
    expect(existsSync(join(host.rootfs, 'bin/true'))).toBe(true);
    expect(existsSync(join(host.rootfs, 'etc/file'))).toBe(false);
  });

  it.skipIf(!existsSync('/sys/fs/cgroup/pids/tasks'))(
    'joins the control groups that it is given (needs cgroup v1)',
    async () => {
      const group = `gantry-launcher-${process.pid}`;
      const folders = ['pids', 'memory'].map((controller) => `/sys/fs/cgroup/${controller}/${group}`);
      for (const folder of folders) mkdirSync(folder);
      try {
        const request = { ...host.request(['cat', '/proc/self/cgroup']), cgroups: folders };
        await using container = await createLauncher().launch(request);
        const tasks = folders.map((folder) => readFileSync(join(folder, 'tasks'), 'utf8').trim());
        expect(tasks).toEqual(folders.map(() => `${container.process.pid}`));
        await container.release();
        await container.exit;
        const { stdout } = await host.output(request.stateDir);
        expect(stdout.split('\n').filter((line) => line.endsWith(`:/${group}`))).toHaveLength(folders.length);
      } finally {
        for (const folder of folders) rmdirSync(folder);
      }
    },
  );

  describe.skipIf(!existsSync('/sys/fs/cgroup/pids/tasks'))('with groups made meanwhile (needs cgroup v1)', () => {
    const folder = `/sys/fs/cgroup/pids/gantry-meanwhile-${process.pid}`;
    /** One that can be made ahead as far as the kernel allows, and one that must not be made before its groups are. */
    const kinds: readonly [string, (config: OciSpec) => unknown][] = [
      ['made ahead', () => undefined],
      ['made in order', (config) => (config.linux.rootfsPropagation = 'slave')],
    ];

    it.each(kinds)('is in them once it runs, if it is %s', async (_kind, edit) => {
      const launcher = createLauncher();
      const request = { ...host.request(['cat', '/proc/self/cgroup'], edit), cgroups: [folder] };
      let times = 0;
      try {
        await using pending = launcher.begin(request.id);
        await pending.announce(request);
        const meanwhile = async () => {
          times++;
          await nextTurn();
          mkdirSync(folder);
          return false;
        };
        await using container = await pending.launch(request, { release: true, meanwhile });
        expect(await container.exit).toMatchObject({ type: 'exited', code: 0 });
        expect((await host.output(request.stateDir)).stdout).toContain(`:/gantry-meanwhile-${process.pid}\n`);
        expect(times).toBe(1);
      } finally {
        await expect.poll(() => processesCalled(request.id)).toEqual([]);
        rmdirSync(folder);
        await launcher.close?.();
      }
    });

    it.each(kinds)('is not launched, and leaves nothing, if they cannot be, and it is %s', async (_kind, edit) => {
      const launcher = createLauncher();
      const request = { ...host.request(['true'], edit), cgroups: [folder] };
      const reason = new Error('no groups');
      await using pending = launcher.begin(request.id);
      await pending.announce(request);
      const launch = pending.launch(request, { release: true, meanwhile: () => Promise.reject(reason) });
      await expect(launch).rejects.toBe(reason);
      await expect.poll(() => processesCalled(request.id)).toEqual([]);
      expect(readdirSync(request.stateDir)).toEqual([]);
      await launcher.close?.();
    });

    it.each([undefined, new Error('no groups')])(
      'fails as its steps do, before its groups are made, or do not come to be: %s',
      async (reason) => {
        const launcher = createLauncher();
        const missing = '/no/such/source';
        const request = {
          ...host.request(['true'], (config) =>
            config.mounts.push({ destination: '/mnt', type: 'bind', source: missing, options: ['bind'] }),
          ),
          cgroups: [folder],
        };
        await using pending = launcher.begin(request.id);
        await pending.announce(request);
        const launch = pending.launch(request, {
          release: true,
          async meanwhile() {
            await expect.poll(() => processesCalled(request.id)).toEqual([]);
            if (reason) throw reason;
            return false;
          },
        });
        if (reason) await expect(launch).rejects.toBe(reason);
        else await expect(launch).rejects.toMatchObject({ code: 'LAUNCH_FAILED', details: { path: missing } });
        expect(readdirSync(request.stateDir)).toEqual([]);
        await launcher.close?.();
      },
    );
  });

  it.skipIf(!unified)('is born in its group, which its namespace shows as the root (needs cgroup v2)', async () => {
    const group = `${unified}/gantry-launcher-${process.pid}`;
    mkdirSync(group);
    try {
      const request = host.request(['cat', '/proc/self/cgroup'], (config) =>
        config.linux.namespaces.push({ type: 'cgroup' }),
      );
      await using container = await createLauncher().launch({ ...request, cgroups: [group], cgroupVersion: 'v2' });
      expect(readFileSync(join(group, 'cgroup.procs'), 'utf8')).toBe(`${container.process.pid}\n`);
      await container.release();
      await container.exit;
      const { stdout } = await host.output(request.stateDir);
      expect(stdout.split('\n').find((line) => line.startsWith('0:'))).toBe('0::/');
    } finally {
      rmdirSync(group);
    }
  });
});
