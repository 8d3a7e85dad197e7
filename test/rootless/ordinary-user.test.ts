import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerMount } from '@gantry/interface';
import { detectCgroups } from '@gantry/isolators';
import { addon } from '@gantry/native';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { buildProgram, outcomes } from '../security/attempts.js';
import { eventually } from '../support/eventually.mjs';
import { requires } from '../support/requires.js';
import { addUser, type TestUser } from './user.js';

const spec = (script: string, rest: object = {}) => JSON.stringify({ command: ['/bin/sh', '-c', script], ...rest });

const needs = {
  root: true,
  commands: ['newuidmap', 'newgidmap', 'setpriv', 'useradd', 'gcc'],
  packages: ['uidmap', 'passwd', 'util-linux', 'gcc'],
} as const;

function landlockAbi(): number {
  try {
    return addon().landlockAbi();
  } catch {
    return 0;
  }
}

/** What a user's containers have left: their roots, volumes that are not to outlive them, and processes. */
function leftovers(user: TestUser): string[] {
  const data = join(user.folder, 'data/gantry');
  const namesIn = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
  const roots = readdirSync(data)
    .filter((name) => name.startsWith('provisioner'))
    .flatMap((name) => ['containers', 'trash'].flatMap((part) => readdirSync(join(data, name, part))));
  const volumes = ['image-volumes', 'sandboxes', 'volumes'].flatMap((kind) =>
    namesIn(join(data, kind)).flatMap((place) => namesIn(join(data, kind, place))),
  );
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const processes = pids.filter((pid) => {
    try {
      return new RegExp(`^Uid:\\t${user.uid}\\t`, 'm').test(readFileSync(`/proc/${pid}/status`, 'latin1'));
    } catch {
      return false; // Gone meanwhile.
    }
  });
  return [...roots, ...volumes, ...processes];
}

/** What is left once processes that are about to end have had the time for it. */
const settled = (user: TestUser) =>
  eventually(
    async () => leftovers(user),
    (left) => left.length === 0,
  );

requires(needs)('containers of an ordinary user with ranges of ids', () => {
  // Only its registry is used.
  let host: TestHost;
  let user: TestUser;
  beforeAll(async () => {
    host = await startHost();
    user = addUser(true);
  });
  afterAll(async () => {
    user[Symbol.dispose]();
    await host[Symbol.asyncDispose]();
  });
  const one = async (scenario: string, ...args: string[]) => {
    const { results, stderr } = await user.run(scenario, [host.image, ...args]);
    expect(stderr).toBe('');
    return results[0];
  };

  it('have users of their own, whose root is the user himself', async () => {
    const start = Number(readFileSync('/etc/subuid', 'utf8').match(new RegExp(`^${user.name}:(\\d+):`, 'm'))?.[1]);
    const seen = (await one('ids')) as Record<string, string>;
    expect(seen).toMatchObject({ errors: '', outside: String(user.uid), owner: `${start + 32} ${start + 43}` });
    expect(seen['seen']).toMatch(new RegExp(`^0\\n\\s*0\\s+${user.uid}\\s+1\\n\\s*1\\s+${start}\\s+65536\\n`));
    expect(seen['seen']).toMatch(/ 33 +44 .*\/new\n/);
    expect(await settled(user)).toEqual([]);
  });

  it('run as any user of the image, and drop to others', async () => {
    expect(
      await one('run', spec('id -u; id -g; echo e > /dev/stderr; echo o > /dev/stdout', { user: 'guest' })),
    ).toEqual({
      exit: 0,
      stdout: '1000\n1000\no\n',
      stderr: 'e\n',
    });
    const script = 'su guest -c "id -u; touch /tmp/mine; stat -c %u /tmp/mine"';
    expect(await one('run', spec(script))).toMatchObject({ exit: 0, stdout: '1000\n1000\n' });
  });

  it('see a machine that they cannot change', async () => {
    const script = [
      'mknod /tmp/null c 1 3',
      'mount -o remount,rw /sys',
      'echo 1 > /proc/sys/kernel/printk',
      'touch /sys/fs/cgroup/x',
      'echo x > /dev/null && head -c 3 /dev/zero | wc -c',
      'ls /sys/class/net; cat /proc/keys | wc -c; hostname box 2>&1',
    ].join('; ');
    const { stdout, stderr } = (await one('run', spec(script))) as { stdout: string; stderr: string };
    expect(stdout).toMatch(/^3\nlo\n0\n/);
    expect(stderr.match(/(not permitted|denied|Read-only|No such file)/g)?.length).toBeGreaterThanOrEqual(4);
  });

  it('may make the system calls that those of root may, and are held to limits of their processes', async () => {
    buildProgram('attempts', user.folder);
    const mounts: ContainerMount[] = [
      { type: 'bind', source: join(user.folder, 'attempts'), target: '/attempts', readonly: true },
    ];
    const { stdout } = (await one('run', spec('/attempts', { mounts }))) as { stdout: string };
    const { stdout: ofRoot } = await host.run({ command: ['/attempts'], mounts });
    // Of these the kernel decides by who asks.
    const differ = ['open-block'];
    const [own, roots] = [outcomes(stdout), outcomes(ofRoot)];
    expect(Object.keys(own).length).toBeGreaterThan(60);
    expect(own).toEqual({ ...roots, ...Object.fromEntries(differ.map((name) => [name, own[name]])) });
    const opened = 'exec 3</etc/passwd 4</etc/passwd; (exec 5</etc/passwd) 2>&1; ulimit -n 100 || echo no more';
    const rlimits = [{ type: 'NOFILE', soft: 5, hard: 5 }];
    expect(await one('run', spec(opened, { rlimits }))).toMatchObject({
      stdout: expect.stringMatching(/Too many open files\nno more\n$/),
    });
  });

  it('have terminals, an init and the network of the host, if that is asked', async () => {
    const told = await one(
      'run',
      spec('tty; ls -l /sys/fs/cgroup | wc -l; mkdir /sys/fs/cgroup/x 2>/dev/null || echo shut; cat /proc/1/comm', {
        tty: true,
        init: true,
        network: 'host',
      }),
    );
    expect(told).toMatchObject({ exit: 0, stderr: '' });
    expect((told as { stdout: string }).stdout).toMatch(
      // Those of v1 cannot be told to be the container's alone, so that nothing is left to see.
      (await detectCgroups()).version === 'v1'
        ? /^\/dev\/pts\/0\r\n1\r\nshut\r\n/
        : /^\/dev\/pts\/0\r\n\d+\r\nshut\r\n/,
    );
  });

  it('are copied from and into, and committed, with the owners that they see', async () => {
    const told = (await one('copies')) as Record<string, string>;
    expect(told['seen']).toMatch(/ 5 +6 .*\/tmp\/a\/b\nx\n$/);
    expect(told['again']).toMatch(/ 5 +6 .*\/a\/b\n.* 5 +6 .* a\n$/);
    expect(await settled(user)).toEqual([]);
  });

  it('have volumes: of the user’s own folders, in memory, kept, and shared with those nested in them', async () => {
    const own = join(user.folder, 'own');
    mkdirSync(own);
    chownSync(own, user.uid, user.uid);
    expect(await one('volumes', own)).toEqual({
      outer: '0:0 755\n0:0 750\ntmpfs 1777\n',
      nested: 'from outside\n',
      again: '0:0\nfile\n',
      removed: [],
    });
    expect(statSync(join(own, 'new')).uid).toBe(user.uid);
    expect(statSync(join(own, 'of-another')).uid).toBeGreaterThan(65_535);
    expect(await settled(user)).toEqual([]);
  });

  it('have volumes of images, to read and to write to, of which nothing is left', async () => {
    expect(await one('imageVolumes')).toMatchObject({
      exit: 0,
      stdout: '/read/bin/busybox\n/written/bin/busybox\nrefused\n1000\n',
    });
    expect(await settled(user)).toEqual([]);
  });

  it('are under Landlock where that is asked', async ({ skip }) => {
    if (landlockAbi() < 3) skip('needs Linux 6.2');
    const script = 'cat /etc/passwd >/dev/null && echo read; touch /tmp/x && echo written; touch /x || echo refused';
    const allow = ['read', 'execute'];
    const landlock = {
      paths: [{ path: '/', allow }, ...['/tmp', '/dev'].map((path) => ({ path, allow: ['read', 'write'] }))],
    };
    expect(await one('run', spec(script, { landlock }))).toMatchObject({ stdout: 'read\nwritten\nrefused\n' });
  });

  it('share what a pod has', async () => {
    expect(await one('pod')).toEqual(['pod\n0\nlo\n', 'pod\n0\nlo\n']);
    expect(await settled(user)).toEqual([]);
  });

  it('outlive their host program, and are recovered by the next one', async () => {
    const left = await user.run('leave', [host.image]);
    expect(left.status).toBe(null);
    const { pid } = left.results[0] as { pid: number };
    expect(readFileSync(`/proc/${pid}/status`, 'latin1')).toMatch(/^State:\t[SR]/m);
    expect(await one('recover')).toEqual({ running: ['left'], seen: 'again\n', end: 'signaled' });
    expect(await settled(user)).toEqual([]);
  });

  it('are refused what takes privileges, with the remedy', async () => {
    const cases: readonly [object, RegExp][] = [
      [
        { resources: { limits: { memory: 2 ** 26 } } },
        /^REFUSED: cgroups\/none: resources\.limits\.memory .*cgroupParent/,
      ],
      [{ userNamespace: 'host' }, /^REFUSED: namespaces\/user: .*as root/],
      [{ oomScoreAdj: -999 }, /^REFUSED: linux\/oom: .*CAP_SYS_RESOURCE/],
      [{ rlimits: [{ type: 'NOFILE', soft: 2 ** 21, hard: 2 ** 21 }] }, /^REFUSED: posix\/rlimits: /],
      [{ resources: { limits: { disk: 2 ** 26 } } }, /^REFUSED: cgroups\/none: resources\.limits\.disk /],
      [
        {
          mounts: [
            {
              type: 'bind',
              source: join(user.folder, 'data'),
              target: '/data',
              idmap: { uids: [{ source: 0, target: 1, size: 1 }], gids: [{ source: 0, target: 1, size: 1 }] },
            },
          ],
        },
        /^REFUSED: volume\/host_path: .*other ids: the host program may not; start it with CAP_SYS_ADMIN/,
      ],
      [{ network: 'host', listenPorts: [] }, /^REFUSED: network\/ports: .* by root alone; leave spec\.listenPorts out/],
      [
        { mounts: [{ type: 'persistent', id: 'given', target: '/v', owner: { uid: 999 } }] },
        /^REFUSED: volume\/persistent: spec\.mounts\[0\]\.owner: .*CAP_CHOWN .* 999:0; .*as root/,
      ],
      [
        { mounts: [{ type: 'bind', source: join(user.folder, 'data/new'), target: '/v', create: { gid: 999 } }] },
        /^REFUSED: volume\/host_path: spec\.mounts\[0\]\.create: .*CAP_CHOWN .* 0:999; /,
      ],
      [{ user: '70000' }, /^REFUSED: namespaces\/user: the container's user 70000 does not exist/],
    ];
    for (const [rest, message] of cases) expect(await one('refusal', spec('true', rest))).toMatch(message);
  });

  it('are refused where no user namespace may be made, with the remedy', async () => {
    const { results } = await user.runShut('refusal', [host.image, spec('true')]);
    expect(results[0]).toMatch(/^REFUSED: .*max_user_namespaces.*sysctl -w/);
  });
});

requires(needs)('containers of an ordinary user without ranges of ids', () => {
  let host: TestHost;
  let user: TestUser;
  beforeAll(async () => {
    host = await startHost();
    user = addUser(false);
  });
  afterAll(async () => {
    user[Symbol.dispose]();
    await host[Symbol.asyncDispose]();
  });

  it('have one user, to whom all files belong', async () => {
    const script =
      'cat /proc/self/uid_map /proc/self/setgroups; touch /x; chown 1:1 /x; ls -ln /x /etc/passwd; ls -ln / | grep -v " 0  *0 "';
    const { results, stderr } = await user.run('run', [host.image, spec(script, { tty: true })]);
    expect(stderr).toBe('');
    const { stdout } = results[0] as { stdout: string };
    expect(stdout).toMatch(new RegExp(`^\\s*0\\s+${user.uid}\\s+1\\r\\ndeny\\r\\n`));
    expect(stdout).toMatch(/chown: \/x: Invalid argument/);
    expect(stdout).toMatch(/ 0 +0 .*\/x\r\n/);
    expect(await settled(user)).toEqual([]);
  });

  it('are refused another user, with the remedy', async () => {
    const { results } = await user.run('refusal', [host.image, spec('true', { user: 'guest' })]);
    expect(results[0]).toMatch(
      /^REFUSED: namespaces\/user: the container's user 1000 .*\/etc\/subuid has no range.*usermod --add-subuids/,
    );
  });
});
