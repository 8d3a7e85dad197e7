import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { noStep, protocolVersion, type Step, stateFiles } from '../../packages/launcher/src/protocol.generated.js';
import { addon } from '../src/addon.js';
import { processesCalled, processGone } from './support/process.js';
import { exec, fail, logEntries, run, shell, start } from './support/run.js';
import {
  attach,
  cloneMessage,
  launch,
  launchMessage,
  removeStateDirs,
  startShim,
  stateDir,
} from './support/shim-session.js';

const CLONE_NEWNS = 0x20000;
const MS_REC_PRIVATE = 0x44000;
const { SIGKILL, SIGTERM, SIGUSR1 } = constants.signals;
const { ENOENT, EACCES, ENOEXEC, ESRCH, EPROTO, EPROTONOSUPPORT, EADDRINUSE, EBADMSG } = {
  ...constants.errno,
  ESRCH: 3,
};

afterEach(removeStateDirs);

describe('the end of the first process', () => {
  it.each([0, 1, 42, 255])('tells exit code %i and records it', async (code) => {
    const { exit, folder } = await run(shell(`exit ${code}`));
    expect(exit).toMatchObject({ type: 0, value: code });
    expect(readFileSync(join(folder, 'exit'), 'utf8')).toMatch(
      new RegExp(`^exited ${code}\nat ${exit.at}\nprocess \\d+ \\d+\n$`),
    );
    expect(Math.abs(Date.now() - exit.at)).toBeLessThan(60_000);
  });

  it('tells the signal that killed it, and records the process that hello named', async () => {
    const { shim, folder, hello } = await start(exec('/bin/sleep', '1000'));
    shim.send({ op: 'signal', request: 7, signal: SIGTERM });
    expect(await shim.expect('done')).toEqual({ op: 'done', request: 7, errno: 0 });
    const exit = await shim.expect('exited');
    expect(exit).toMatchObject({ type: 1, value: SIGTERM });
    expect(readFileSync(join(folder, 'exit'), 'utf8')).toBe(
      `signaled ${SIGTERM}\nat ${exit.at}\nprocess ${hello.pid} ${hello.startTime}\n`,
    );
  });

  it('leaves the record and the log, and nothing else', async () => {
    const { shim, folder, hello } = await start(exec('/bin/true'));
    await shim.expect('exited');
    await shim.closed();
    await processGone(hello.shimPid);
    expect(readdirSync(folder).sort()).toEqual(['exit', 'log']);
  });

  it('ends what the container left running, where the kernel does not', async () => {
    const { exit, stdout } = await run(shell('sleep 1000 & setsid sleep 1000 & echo $!'));
    expect(exit).toMatchObject({ type: 0, value: 0 });
    await processGone(Number(stdout));
  });
});

describe('what the first process is given', () => {
  it('has exactly 0, 1 and 2 open, whatever the host has', async () => {
    const { stdout } = await run(shell('ls -l /proc/self/fd | sed -n "s/.* \\([0-9]* ->.*\\)/\\1/p"'));
    const lines = stdout.trim().split('\n');
    // The third is the pipe to sed in place of the log's, the last the folder that ls reads.
    expect(lines.map((line) => line.split(' ')[0])).toEqual(['0', '1', '2', '3']);
    expect(lines[0]).toBe('0 -> /dev/null');
    expect(lines[3]).toMatch(/^3 -> \/proc\/\d+\/fd$/);
  });

  it('has default signals, an empty mask, a session of its own and umask 0022', async () => {
    const { stdout } = await run(
      shell('grep -E "^Sig(Blk|Ign):" /proc/self/status; umask; [ $$ = $(ps -o sid= -p $$) ] && echo leader'),
    );
    expect(stdout.replace(/\t/g, ' ')).toBe('SigBlk: 0000000000000000\nSigIgn: 0000000000000000\n0022\nleader\n');
  });

  it('is not given a score of the shim, and only what the plan says as environment', async () => {
    const { stdout } = await run(shell('cat /proc/$$/oom_score_adj; tr "\\0" "\\n" < /proc/$$/environ'));
    expect(stdout).toBe(`${readFileSync('/proc/self/oom_score_adj', 'utf8')}PATH=/usr/local/bin:/usr/bin:/bin\n`);
  });

  it('is found in PATH if its name has no slash', async () => {
    const { stdout } = await run(exec('echo', 'found'));
    expect(stdout).toBe('found\n');
  });
});

describe('an exec that cannot be', () => {
  it.each([
    ['is absent', '/no/such/program', ENOENT],
    ['is in no folder of PATH', 'no-such-program', ENOENT],
    ['is a folder', '/tmp', EACCES],
  ])('reports a program that %s', async (_, program, errno) => {
    expect(await fail(exec(program))).toEqual({ op: 'failed', step: 1, name: 'exec: execve', errno, path: program });
  });

  it('does not give a text file to a shell', async () => {
    const folder = stateDir();
    const program = join(folder, 'script');
    await run(shell(`printf 'echo wrong' > ${program}; chmod 755 ${program}`));
    expect(await fail(exec(program))).toMatchObject({ errno: ENOEXEC, path: program });
  });

  it('leaves nothing but word of it for a host that is not there any more', async () => {
    const { shim, folder } = await launch(exec('/no/such/program'));
    const hello = await shim.expect('hello');
    shim.send({ op: 'release' });
    await shim.expect('failed');
    await shim.closed();
    await processGone(hello.pid);
    expect(readdirSync(folder)).toEqual([stateFiles.exitRecord]);
    expect(readFileSync(join(folder, stateFiles.exitRecord), 'utf8')).toMatch(/^failed 2\nat \d+\nprocess \d+ \d+\n$/);
  });
});

describe('a launch that cannot be', () => {
  it('is refused for another version of the protocol', async () => {
    const report = await fail(exec('/bin/true'), { version: protocolVersion + 1 });
    expect(report).toMatchObject({ step: noStep, name: 'shim: protocol version', errno: EPROTONOSUPPORT });
  });

  it('is refused for an absent state folder, with its path', async () => {
    const report = await fail(exec('/bin/true'), { stateDir: '/no/such/folder' });
    expect(report).toEqual({
      op: 'failed',
      step: noStep,
      name: 'shim: chdir',
      errno: ENOENT,
      path: '/no/such/folder',
    });
  });

  it('is refused where another shim listens, which stays usable', async () => {
    const { shim, folder } = await start(exec('/bin/sleep', '1000'));
    expect(await fail(exec('/bin/true'), { stateDir: folder })).toMatchObject({ errno: EADDRINUSE });
    const client = await attach(folder);
    await client.expect('hello');
    client.close();
    shim.send({ op: 'signal', request: 1, signal: SIGKILL });
    await shim.expect('done');
    await shim.expect('exited');
  });

  it('says why also if what the host has yet to send comes too late', async () => {
    for (let turns = 0; turns < 40; turns++) {
      const shim = await startShim();
      shim.send(cloneMessage({ cgroup: '/no/such/group' }));
      for (let turn = 0; turn < turns * turns; turn++) await setImmediate();
      shim.send({ op: 'release' });
      expect(await shim.expect('failed')).toMatchObject({ name: 'shim: open', errno: ENOENT });
      await shim.closed();
    }
  });

  it('is refused without a barrier or an exec', async () => {
    expect(await fail([{ op: 'exec', argv: ['/bin/true'], env: [] }])).toMatchObject({ step: 0, errno: EPROTO });
    expect(await fail([{ op: 'ready' }])).toMatchObject({ step: noStep, errno: EPROTO });
  });

  it('is refused for flags that are not namespaces', async () => {
    expect(await fail(exec('/bin/true'), { cloneFlags: 0x100 })).toMatchObject({ name: 'shim: cloneFlags' });
  });

  it('answers garbage in place of a clone or a launch', async () => {
    for (const garbage of [
      [5, 0, 0, 0, 1, protocolVersion, 0, 0, 0],
      [1, 0, 0, 0, 5],
    ]) {
      const shim = await startShim();
      shim.sendBytes(Buffer.from(garbage));
      expect(await shim.expect('failed')).toMatchObject({ step: noStep, errno: EBADMSG });
      await shim.closed();
    }
    const shim = await startShim();
    shim.send(cloneMessage());
    shim.sendBytes(Buffer.from([2, 0, 0, 0, 5, 0]));
    expect(await shim.expect('failed')).toMatchObject({ step: noStep, errno: EBADMSG });
    await shim.closed();
  });

  it('ends without a word if the host goes before the messages are whole', async () => {
    const shim = await startShim();
    shim.sendBytes(Buffer.from([255, 0, 0, 0, 1]));
    shim.close();
    await shim.closed();
  });
});

describe('the first process before its launch message', () => {
  it('is there, and ends with the host', async () => {
    const shim = await startShim('waiting');
    shim.send(cloneMessage());
    while (processesCalled('waiting').length < 2) await setImmediate();
    const pids = processesCalled('waiting');
    shim.close();
    for (const pid of pids) await processGone(pid);
  });

  it.skipIf(process.getuid?.() !== 0)(
    'has a mount namespace of what is mounted when it comes (needs root)',
    async () => {
      const shim = await startShim();
      shim.send(cloneMessage());
      const mounted = stateDir();
      expect(spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', mounted]).status).toBe(0);
      try {
        writeFileSync(join(mounted, 'file'), 'mounted meanwhile');
        const propagation: Step = { op: 'setPropagation', flags: MS_REC_PRIVATE };
        const folder = stateDir();
        const steps = [propagation, ...exec('cat', join(mounted, 'file'))];
        shim.send(launchMessage({ stateDir: folder, unshare: CLONE_NEWNS, release: 1, steps }));
        await shim.expect('hello');
        await shim.expect('started');
        expect(await shim.expect('exited')).toMatchObject({ type: 0, value: 0 });
        expect(logEntries(join(folder, 'log')).map(({ text }) => text)).toEqual(['mounted meanwhile']);
      } finally {
        spawnSync('umount', [mounted]);
      }
    },
  );

  it('shows the id of its container once the shim knows it, as far as there is room', async () => {
    for (const [title, shown] of [
      ['    ', 'test'],
      ['   ', 'tes'],
      ['      ', 'test\0\0'],
    ] as const) {
      const shim = await startShim(title);
      shim.send(cloneMessage());
      shim.send(launchMessage({ stateDir: stateDir(), release: 1, steps: exec('/bin/true') }));
      const { shimPid } = await shim.expect('hello');
      expect(readFileSync(`/proc/${shimPid}/cmdline`, 'utf8')).toBe(`gantry-shim\0${shown}\0`);
      shim.close();
      await processGone(shimPid);
    }
  });
});

describe('a launch that releases by itself', () => {
  it('goes on to its exec and its end without another word, whether or not the host stays', async () => {
    const { shim } = await launch(shell('exit 7'), { release: 1 });
    expect(await shim.expect('hello')).toMatchObject({ released: 1 });
    await shim.expect('started');
    expect(await shim.expect('exited')).toMatchObject({ type: 0, value: 7 });

    const left = await launch(shell('exit 8'), { release: 1 });
    left.shim.close();
    while (!existsSync(join(left.folder, 'exit'))) await setImmediate();
    expect(readFileSync(join(left.folder, 'exit'), 'utf8')).toMatch(/^exited 8\n/);
  });

  it('can be killed at any moment', async () => {
    const { shim, folder } = await launch(exec('/bin/sleep', '1000'), { release: 1 });
    shim.send({ op: 'signal', request: 1, signal: SIGKILL });
    const messages: string[] = [];
    for (let message = await shim.next(); message; message = await shim.next()) messages.push(message.op);
    expect(messages.at(-1)).toMatch(/^(failed|exited)$/);
    expect(readdirSync(folder)).not.toContain('shim.sock');
  });
});

describe('a first process that waits for its control groups', () => {
  const steps: Step[] = [{ op: 'awaitGroups' }, ...shell('exit 7')];

  it('goes on when they are there, and does the rest by itself', async () => {
    const { shim } = await launch(steps, { release: 1, groups: 1 });
    shim.send({ op: 'grouped', joined: 0 });
    expect(await shim.expect('hello')).toMatchObject({ released: 1 });
    await shim.expect('started');
    expect(await shim.expect('exited')).toMatchObject({ type: 0, value: 7 });
  });

  it('ends with the host until then, though it was to release by itself', async () => {
    const shim = await startShim('grouping');
    shim.send(cloneMessage());
    shim.send(launchMessage({ stateDir: stateDir(), id: 'grouping', release: 1, groups: 1, steps }));
    while (processesCalled('grouping').length < 2) await setImmediate();
    const pids = processesCalled('grouping');
    shim.close();
    for (const pid of pids) await processGone(pid);
  });

  it('is told so once, by its launcher', async () => {
    const { shim, folder } = await launch([{ op: 'awaitGroups' }, ...exec('/bin/sleep', '1000')], { groups: 1 });
    shim.send({ op: 'grouped', joined: 0 });
    shim.send({ op: 'release' });
    const { shimPid } = await shim.expect('hello');
    await shim.expect('started');
    const client = await attach(folder);
    await client.expect('hello');
    client.send({ op: 'grouped', joined: 0 });
    expect(await client.next()).toBeUndefined();
    shim.send({ op: 'signal', request: 1, signal: SIGKILL });
    await shim.expect('done');
    await shim.expect('exited');
    await processGone(shimPid);
  });
});

describe('the host', () => {
  it('leaves nothing if it goes before the release', async () => {
    const { shim, folder } = await launch(exec('/bin/sleep', '1000'));
    const hello = await shim.expect('hello');
    expect(hello).toMatchObject({ version: protocolVersion, released: 0 });
    shim.close();
    await processGone(hello.pid);
    await processGone(hello.shimPid);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('may go after the release; another finds the container, signals it and sees its end', async () => {
    const { shim, folder, hello } = await start(exec('/bin/sleep', '1000'));
    shim.close();
    const client = await attach(folder);
    expect(await client.expect('hello')).toEqual({ ...hello, released: 1 });
    client.send({ op: 'status', request: 1 });
    await client.expect('hello');
    expect(await client.expect('done')).toEqual({ op: 'done', request: 1, errno: 0 });
    client.send({ op: 'signal', request: 2, signal: SIGKILL });
    await client.expect('done');
    expect(await client.expect('exited')).toMatchObject({ type: 1, value: SIGKILL });
  });

  it('is told a start time that /proc confirms', async () => {
    const { shim } = await launch(exec('/bin/true'));
    const hello = await shim.expect('hello');
    const stat = readFileSync(`/proc/${hello.pid}/stat`, 'utf8');
    expect(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])).toBe(hello.startTime);
    shim.close();
    await processGone(hello.shimPid);
  });

  it('kills the first process by losing the shim', async () => {
    const { hello } = await start(exec('/bin/sleep', '1000'));
    process.kill(hello.shimPid, 'SIGKILL');
    await processGone(hello.pid);
  });

  it('hears of a first process that dies before its exec', async () => {
    const { shim } = await launch(exec('/bin/true'));
    const hello = await shim.expect('hello');
    process.kill(hello.pid, 'SIGKILL');
    expect(await shim.expect('failed')).toMatchObject({
      step: noStep,
      name: `first process: killed by signal ${SIGKILL}`,
      errno: ESRCH,
    });
  });
});

describe('clients of the path socket', () => {
  it('must be root or the same user: the socket has mode 0600', async () => {
    const { shim, folder } = await launch(exec('/bin/true'));
    await shim.expect('hello');
    expect(statSync(join(folder, 'shim.sock')).mode & 0o777).toBe(0o600);
    shim.close();
    await shim.closed();
  });

  it('are told of the start and the end, and may not release', async () => {
    const { shim, folder } = await launch(exec('/bin/true'));
    await shim.expect('hello');
    const [watcher, intruder] = [await attach(folder), await attach(folder)];
    expect(await watcher.expect('hello')).toMatchObject({ released: 0 });
    await intruder.expect('hello');
    intruder.send({ op: 'release' });
    await intruder.closed();
    shim.send({ op: 'release' });
    await watcher.expect('started');
    expect(await watcher.expect('exited')).toMatchObject({ type: 0, value: 0 });
  });

  it('are dropped for garbage and for too many, and the others do not notice', async () => {
    const { shim, folder } = await start(exec('/bin/sleep', '1000'));
    for (const bytes of [
      [0, 0, 0, 0],
      [255, 255, 255, 255],
      [1, 0, 0, 0, 99],
      [2, 0, 0, 0, 3, 1],
    ]) {
      const garbage = await attach(folder);
      garbage.sendBytes(Buffer.from(bytes));
      await garbage.closed();
    }
    const clients = await Promise.all(Array.from({ length: 32 }, () => attach(folder)));
    for (const client of clients) await client.expect('hello');
    const surplus = await attach(folder);
    expect(await surplus.expect('failed')).toMatchObject({ name: 'clients: as many as there can be' });
    expect(await surplus.next()).toBeUndefined();
    shim.send({ op: 'signal', request: 1, signal: SIGKILL });
    await shim.expect('done');
    for (const client of [shim, ...clients]) await client.expect('exited');
  });

  it('that do not read are dropped, and block nobody', async () => {
    const { shim, folder } = await start(exec('/bin/sleep', '1000'));
    const deaf = await attach(folder);
    await deaf.expect('hello');
    deaf.pause();
    for (let request = 0; request < 40_000; request++) deaf.send({ op: 'status', request });
    shim.send({ op: 'signal', request: 1, signal: SIGKILL });
    await shim.expect('done');
    await shim.expect('exited');
    deaf.close();
  });

  it('may send messages in pieces', async () => {
    const { shim, folder } = await start(shell('trap "exit 3" USR1; kill -0 $$; while :; do sleep 0.01; done'));
    const client = await attach(folder);
    await client.expect('hello');
    const frame = Buffer.from([9, 0, 0, 0, 3, 5, 0, 0, 0, SIGUSR1, 0, 0, 0]);
    for (const byte of frame) client.sendBytes(Buffer.from([byte]));
    expect(await client.expect('done')).toEqual({ op: 'done', request: 5, errno: 0 });
    await shim.expect('exited');
  });
});

describe('the shim', () => {
  it('is not dumpable, shows its container, and runs from a sealed file', async () => {
    const { shim, hello } = await start(exec('/bin/sleep', '1000'));
    const status = readFileSync(`/proc/${hello.shimPid}/status`, 'utf8');
    expect(status).toMatch(/^Name:\tgantry-shim$/m);
    expect(readFileSync(`/proc/${hello.shimPid}/cmdline`, 'utf8')).toBe('gantry-shim\0test\0');
    expect(statSync(`/proc/${hello.shimPid}/environ`).uid).toBe(0);
    if (process.getuid?.() === 0) {
      expect(readlinkSync(`/proc/${hello.shimPid}/exe`)).toBe('/memfd:gantry-shim (deleted)');
    }
    const pidfd = addon().pidfdOpen(hello.pid);
    addon().pidfdSendSignal(pidfd, SIGKILL);
    addon().closeFd(pidfd);
    await shim.expect('exited');
  });

  it('does not end with a signal that ends a session', async () => {
    const { shim, folder, hello } = await start(exec('/bin/sleep', '1000'));
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGPIPE'] as const) process.kill(hello.shimPid, signal);
    shim.send({ op: 'signal', request: 1, signal: 0 });
    expect(await shim.expect('done')).toMatchObject({ errno: 0 });
    shim.send({ op: 'signal', request: 2, signal: SIGKILL });
    await shim.expect('done');
    await shim.expect('exited');
    expect(existsSync(join(folder, 'exit'))).toBe(true);
  });

  it('holds less than 200 kB of private memory', async ({ skip }) => {
    const { shim, hello } = await start(exec('/bin/sleep', '1000'));
    const readable = process.getuid?.() === 0;
    const text = readable ? readFileSync(`/proc/${hello.shimPid}/smaps_rollup`, 'utf8') : '';
    shim.send({ op: 'signal', request: 1, signal: SIGKILL });
    await shim.expect('done');
    await shim.expect('exited');
    if (!readable) skip('only root may read the memory map of a process that is not dumpable');
    const kilobytes = [...text.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm)].map((match) => Number(match[1]));
    expect(kilobytes).toHaveLength(2);
    expect(kilobytes.reduce((sum, value) => sum + value)).toBeLessThan(200);
  });
});
