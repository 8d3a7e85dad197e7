import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { maxU64, type Step } from '../../packages/launcher/src/protocol.generated.js';
import { processGone } from './support/process.js';
import { CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWUTS } from './support/root.js';
import { exec, fail, run, shell, start } from './support/run.js';
import { removeStateDirs } from './support/shim-session.js';

const notRoot = process.getuid?.() !== 0;
const because = notRoot ? ' (skipped: they need root)' : '';
const { EINVAL, ENOENT, EPERM, EXDEV } = constants.errno;
const CAP_CHOWN = 1;
const CAP_NET_BIND_SERVICE = 2 ** 10;
const CAP_SYS_RESOURCE = 2 ** 24;
const RLIMIT_NOFILE = 7;

afterEach(removeStateDirs);

/** The lines of /proc/<pid>/status that a plan's process shows, by name. */
async function status(steps: readonly Step[]): Promise<Map<string, string>> {
  const { stdout } = await run([...steps, ...exec('cat', '/proc/self/status')]);
  return new Map(stdout.split('\n').map((line) => line.split(/:\s*/, 2) as [string, string]));
}

function capabilities(bounding: number, held: number, ambient = 0): Step {
  return { op: 'capabilities', bounding, effective: held, permitted: held, inheritable: ambient, ambient };
}

const mask = (value: number) => value.toString(16).padStart(16, '0');
const user = (uid: number, gid: number, ...groups: string[]): Step => ({ op: 'user', uid, gid, groups });

describe.skipIf(notRoot)(`users${because}`, () => {
  it('have ids and groups of the plan, saved ones too', async () => {
    const lines = await status([user(1000, 1001, '5', '20')]);
    expect(lines.get('Uid')).toBe('1000\t1000\t1000\t1000');
    expect(lines.get('Gid')).toBe('1001\t1001\t1001\t1001');
    expect(lines.get('Groups')?.trim()).toBe('5 20');
  });

  it('other than root can open their output by name', async () => {
    const { stdout, stderr } = await run([
      user(1000, 1000),
      ...shell('echo a > /proc/self/fd/1; echo b > /proc/self/fd/2'),
    ]);
    expect([stdout, stderr]).toEqual(['a\n', 'b\n']);
  });

  it.each(['', 'x', '-1', '4294967295', '1 '])('are refused the group %j', async (group) => {
    expect(await fail([user(1000, 1000, group), ...exec('/bin/true')])).toMatchObject({ errno: EINVAL, path: group });
  });

  it('are refused the id that means none', async () => {
    expect(await fail([user(4294967295, 0), ...exec('/bin/true')])).toMatchObject({ name: 'user: id', errno: EINVAL });
  });

  it('die with the shim although the user changed', async () => {
    const { hello } = await start([user(1000, 1000), ...exec('/bin/sleep', '1000')]);
    process.kill(hello.shimPid, 'SIGKILL');
    await processGone(hello.pid);
  });
});

describe.skipIf(notRoot)(`capabilities${because}`, () => {
  const wanted = CAP_CHOWN + CAP_NET_BIND_SERVICE;

  it('of root are those of the plan', async () => {
    const lines = await status([capabilities(wanted, wanted), user(0, 0)]);
    expect(lines.get('CapBnd')).toBe(mask(wanted));
    expect(lines.get('CapPrm')).toBe(mask(wanted));
    expect(lines.get('CapEff')).toBe(mask(wanted));
    expect(lines.get('CapInh')).toBe(mask(0));
    expect(lines.get('CapAmb')).toBe(mask(0));
  });

  it('of another user are none, but for ambient ones', async () => {
    const none = await status([capabilities(wanted, wanted), user(1000, 1000)]);
    expect([none.get('CapPrm'), none.get('CapEff'), none.get('CapBnd')]).toEqual([mask(0), mask(0), mask(wanted)]);
    const kept = await status([capabilities(wanted, wanted, CAP_NET_BIND_SERVICE), user(1000, 1000)]);
    expect(kept.get('CapEff')).toBe(mask(CAP_NET_BIND_SERVICE));
    expect(kept.get('CapAmb')).toBe(mask(CAP_NET_BIND_SERVICE));
  });

  it('are set without a user step too', async () => {
    expect((await status([capabilities(CAP_CHOWN, CAP_CHOWN)])).get('CapEff')).toBe(mask(CAP_CHOWN));
  });

  it('that the kernel does not know are refused', async () => {
    const report = await fail([capabilities(2 ** 50, 0), ...exec('/bin/true')]);
    expect(report).toMatchObject({ step: 0, name: 'capabilities: unknown capability', errno: EINVAL });
  });

  it('that the host lacks are refused', async ({ skip }) => {
    const held = BigInt(`0x${/^CapPrm:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`);
    skip((held & BigInt(CAP_SYS_RESOURCE)) !== 0n, 'this host lacks no capability that could be asked for');
    const report = await fail([capabilities(CAP_SYS_RESOURCE, CAP_SYS_RESOURCE), user(0, 0), ...exec('/bin/true')]);
    expect(report).toMatchObject({ step: 1, name: 'user: capset', errno: EPERM });
  });
});

describe('without a user change', () => {
  it('no_new_privs can be set', async () => {
    expect((await status([{ op: 'noNewPrivileges' }])).get('NoNewPrivs')).toBe('1');
    expect((await status([])).get('NoNewPrivs')).toBe(
      /^NoNewPrivs:\t(.)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1],
    );
  });

  it('the umask is that of the plan', async () => {
    expect((await run([{ op: 'umask', mask: 0o077 }, ...shell('umask')])).stdout).toBe('0077\n');
  });

  it('the session keyring is a new one', async () => {
    const { exit } = await run([{ op: 'sessionKeyring' }, ...exec('/bin/true')]);
    expect(exit.value).toBe(0);
  });
});

describe.skipIf(notRoot)(`the out-of-memory score${because}`, () => {
  it('can be raised', async () => {
    const plan: Step[] = [{ op: 'oomScoreAdj', value: 1000 }, ...shell('cat /proc/self/oom_score_adj')];
    expect((await run(plan)).stdout).toBe('1000\n');
  });

  it('is refused if it is none', async () => {
    const report = await fail([{ op: 'oomScoreAdj', value: -1001 }, ...exec('/bin/true')]);
    expect(report).toMatchObject({ step: 0, name: 'oomScoreAdj: write', errno: EINVAL });
  });
});

describe('rlimits', () => {
  const limit = (soft: number, hard: number, clamp: number): Step => ({
    op: 'rlimit',
    resource: RLIMIT_NOFILE,
    soft,
    hard,
    clamp,
  });
  const show = shell('ulimit -Sn; ulimit -Hn');

  it('are lowered', async () => {
    expect((await run([limit(50, 60, 0), ...show])).stdout).toBe('50\n60\n');
  });

  // fs.nr_open bounds them even for those who may raise limits.
  it.each([maxU64, 2 ** 40])('that cannot be raised to %d are refused, or lowered to what is allowed', async (high) => {
    expect(await fail([limit(50, 60, 0), limit(55, high, 0), ...show])).toMatchObject({
      step: 1,
      name: 'rlimit: setrlimit',
      errno: EPERM,
    });
  });

  it('that need a privilege which is absent are lowered if the plan allows it', async ({ skip }) => {
    const held = BigInt(`0x${/^CapEff:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]}`);
    skip((held & BigInt(CAP_SYS_RESOURCE)) !== 0n, 'this host may raise limits');
    expect((await run([limit(50, 60, 0), limit(70, 80, 1), ...show])).stdout).toBe('60\n60\n');
    expect((await run([limit(50, 60, 0), limit(20, 80, 1), ...show])).stdout).toBe('20\n60\n');
  });

  it('of an unknown resource are refused', async () => {
    const wrong: Step = { op: 'rlimit', resource: 99, soft: 1, hard: 1, clamp: 1 };
    expect(await fail([wrong, ...show])).toMatchObject({ errno: EINVAL });
  });
});

describe.skipIf(notRoot)(`namespaces${because}`, () => {
  it('have the host name, kernel parameters and loopback of the plan', async () => {
    const steps: Step[] = [
      { op: 'hostname', name: 'inside' },
      { op: 'sysctl', path: 'net/ipv4/ip_unprivileged_port_start', value: '0' },
      { op: 'sysctl', path: 'kernel/shm_rmid_forced', value: '1' },
      { op: 'loopbackUp' },
    ];
    const files = ['kernel/hostname', 'net/ipv4/ip_unprivileged_port_start', 'kernel/shm_rmid_forced'];
    const read = files.map((file) => `cat /proc/sys/${file}`).join('; ');
    const before = files.map((file) => readFileSync(`/proc/sys/${file}`, 'utf8'));
    const { stdout } = await run([...steps, ...shell(`${read}; cat /proc/self/net/if_inet6 /proc/self/net/route`)], {
      cloneFlags: CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET,
    });
    expect(stdout.split('\n').slice(0, 3)).toEqual(['inside', '0', '1']);
    expect(files.map((file) => readFileSync(`/proc/sys/${file}`, 'utf8'))).toEqual(before);
  });

  it('bring loopback up', async () => {
    const ping = `${process.execPath} -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>require("net").connect(s.address().port,"127.0.0.1",()=>process.exit(9)).on("error",()=>process.exit(8)))'`;
    const cloneFlags = CLONE_NEWNET;
    expect((await run([{ op: 'loopbackUp' }, ...shell(ping)], { cloneFlags })).exit.value).toBe(9);
  });

  it.each([
    ['../kcore', EXDEV],
    ['/kernel/hostname', EXDEV],
    ['kernel/no_such', ENOENT],
  ])('refuse the kernel parameter %s', async (path, errno) => {
    const report = await fail([{ op: 'sysctl', path, value: '1' }, ...exec('/bin/true')]);
    expect(report).toMatchObject({ step: 0, name: 'sysctl: open', errno, path });
  });
});
