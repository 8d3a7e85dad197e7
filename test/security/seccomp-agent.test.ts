import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { ContainerSpec, SeccompProfile } from '@gantry/interface';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { runByCrun } from '../launch/crun.js';
import { startHost, type TestHost } from '../launch/host.js';
import { eventually } from '../support/eventually.mjs';
import { requires } from '../support/requires.js';
import { buildProgram } from './attempts.js';

/** What the agent of agent.c answers shows in what this writes. */
const asking = ['/bin/sh', '-c', 'mkdir /tmp/made; ls /tmp; echo parent $PPID'];
const answered = { stdout: 'parent 4242\n', stderr: "mkdir: can't create directory '/tmp/made': No data available\n" };

requires({ root: true, commands: ['gcc', 'busybox', 'crun'], packages: ['gcc', 'busybox-static', 'crun'] })(
  'the agent of a seccomp profile',
  () => {
    let host: TestHost;
    let folder: string;
    let rootfs: string;
    let program: string;
    let agent: ChildProcess;
    let lines: AsyncIterator<string>;
    let seccomp: SeccompProfile;
    beforeAll(async () => {
      const hook = {
        hookName: 'startContainer',
        path: '/bin/sh',
        args: ['sh', '-c', 'mkdir /tmp/hooked 2>/tmp/said; true'],
      } as const;
      const devices = [{ name: 'hooked', containerEdits: { hooks: [hook] } }];
      host = await startHost({
        cdi: { folders: [], specs: [{ cdiVersion: '0.7.0', kind: 'vendor.com/card', devices }] },
      });
      folder = mkdtempSync(join(tmpdir(), 'gantry-agent-'));
      program = buildProgram('agent', folder);
      rootfs = join(folder, 'rootfs');
      for (const name of ['bin', 'proc', 'dev', 'sys', 'tmp']) mkdirSync(join(rootfs, name), { recursive: true });
      copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'));
      for (const name of ['sh', 'mkdir', 'ls']) symlinkSync('busybox', join(rootfs, 'bin', name));
    });
    beforeEach(async () => {
      const listenerPath = join(mkdtempSync(join(folder, 'socket-')), 'agent.sock');
      agent = spawn(program, [listenerPath], { stdio: ['ignore', 'pipe', 'inherit'] });
      if (!agent.stdout) throw new Error('the agent has no output');
      lines = createInterface({ input: agent.stdout })[Symbol.asyncIterator]();
      expect(await line()).toBe('listening');
      seccomp = {
        defaultAction: 'SCMP_ACT_ALLOW',
        listenerPath,
        listenerMetadata: 'of the "test"',
        syscalls: [{ names: ['mkdir', 'mkdirat', 'getppid'], action: 'SCMP_ACT_NOTIFY' }],
      };
    });
    afterEach(() => endAgent());
    afterAll(async () => {
      await host[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    });

    const line = async () => (await lines.next()).value;
    const endAgent = async () => {
      if (agent.exitCode !== null || agent.signalCode !== null) return;
      agent.kill('SIGKILL');
      await once(agent, 'close');
    };
    const launch = (spec: Partial<ContainerSpec>) => host.containerizer.launch({ rootfs, seccomp, ...spec });
    const openedBy = (pid: number) => readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));

    it('answers the calls that the profile leaves to it, and is told whose they are', async () => {
      const { id, pid } = await launch({ command: asking, labels: { of: 'the test' } });
      await host.containerizer.wait(id);
      const state = JSON.parse((await line()) ?? '');
      expect(state).toMatchObject({ fds: ['seccompFd'], pid, metadata: 'of the "test"' });
      expect(state.state).toMatchObject({ ociVersion: state.ociVersion, id, pid, status: 'creating' });
      expect(state.state.bundle).toBe(join(host.stateRoot, 'containers', id));
      const written = { stdout: '', stderr: '' };
      for await (const { stream, data } of host.containerizer.logs(id)) written[stream] += Buffer.from(data).toString();
      expect(written).toEqual(answered);
      expect(await line()).toBe('hung up');
    });

    it('has what it would have of crun', async () => {
      // A default that is lowered to what the host allows is, in a document, a limit that crun may not raise.
      const rlimits = [{ type: 'NOFILE', soft: 256, hard: 512 }];
      const spec = { rootfs, command: asking, seccomp, rlimits };
      const { stdout, stderr } = await host.run({ image: undefined, ...spec });
      const { config } = await host.containerizer.plan(spec);
      const theirs = runByCrun(config, rootfs, folder);
      expect({ stdout: theirs.stdout, stderr: theirs.stderr }).toEqual({ stdout, stderr });
      const states: Record<string, unknown>[] = [];
      for (let told = await line(); states.length < 2; told = await line()) {
        if (told?.startsWith('{')) states.push(JSON.parse(told));
      }
      const [ours, crun] = states;
      expect(Object.keys(ours ?? {})).toEqual(
        expect.arrayContaining(['ociVersion', 'fds', 'pid', 'metadata', 'state']),
      );
      expect(crun).toMatchObject({ fds: ours?.['fds'], metadata: ours?.['metadata'] });
      const { annotations: _, ...state } = Object(ours?.['state']);
      expect(Object.keys(Object(crun?.['state']))).toEqual(expect.arrayContaining(Object.keys(state)));
    });

    it.each([{ init: false }, { init: true }])(
      'is told of a process beside the first, and nobody keeps its listeners: %o',
      async ({ init }) => {
        const { id, pid = 0, shimPid = 0 } = await launch({ command: ['/bin/sh', '-c', 'read x'], stdin: true, init });
        expect(JSON.parse((await line()) ?? '')).toMatchObject({ pid, state: { id, pid } });
        const before = openedBy(shimPid).length;
        {
          await using entered = await host.containerizer.exec(id, { command: asking });
          const [stdout, stderr] = await Promise.all([text(entered.stdout), text(entered.stderr)]);
          expect({ stdout, stderr }).toEqual(answered);
        }
        const told = JSON.parse((await line()) ?? '');
        expect(told).toMatchObject({ fds: ['seccompFd'], state: { id, pid, status: 'running' } });
        expect(told.pid).not.toBe(pid);
        expect(await line()).toBe('hung up');
        expect(openedBy(pid)).toEqual(
          init ? [] : [expect.stringMatching(/^pipe:/), expect.anything(), expect.anything()],
        );
        const opened = await eventually(
          async () => openedBy(shimPid).length,
          (now) => now <= before,
        );
        expect(opened).toBe(before);
        expect(openedBy(shimPid).join()).not.toContain('seccomp');
        await host.containerizer.destroy(id);
        expect(await line()).toBe('hung up');
      },
    );

    it('serves a container in a user namespace of its own, which cannot reach its socket', async () => {
      const ids = [{ inside: 0, outside: 100_000, size: 65_536 }];
      const { stdout, stderr } = await host.run({
        seccomp,
        command: asking,
        userNamespace: { uids: ids, gids: ids },
      });
      expect({ stdout, stderr }).toEqual(answered);
    });

    it('is not for hooks, to which those calls are not there', async () => {
      const { stdout } = await host.run({
        seccomp,
        command: ['/bin/cat', '/tmp/said'],
        devices: [{ cdi: 'vendor.com/card=hooked' }],
      });
      expect(stdout).toMatch(/hooked.*: Function not implemented/);
      expect(JSON.parse((await line()) ?? '')).toMatchObject({ state: { status: 'creating' } });
      expect(await line()).toBe('hung up');
    });

    it('must be there: a launch and a process beside the first fail without it, and leave nothing', async () => {
      const { id } = await launch({ command: ['/bin/sh', '-c', 'read x'], stdin: true });
      await endAgent();
      const failure = {
        code: 'LAUNCH_FAILED',
        message: expect.stringContaining('must listen at its listenerPath'),
        details: expect.objectContaining({ name: 'agent', errno: 'ECONNREFUSED', path: seccomp.listenerPath }),
      };
      await expect(launch({ command: asking })).rejects.toMatchObject(failure);
      await expect(host.containerizer.exec(id, { command: asking })).rejects.toMatchObject(failure);
      await host.containerizer.destroy(id);
    });

    it.each([
      [
        'no agent',
        { listenerPath: undefined, listenerMetadata: undefined },
        'INVALID_DOCUMENT',
        'linux.seccomp.listenerPath',
      ],
      ['metadata for nobody', { listenerPath: undefined }, 'INVALID_ARGUMENT', 'listenerMetadata'],
      ['a relative path', { listenerPath: 'agent.sock' }, 'INVALID_ARGUMENT', 'listenerPath'],
      ['a path that no socket has', { listenerPath: `/${'x'.repeat(107)}` }, 'INVALID_DOCUMENT', '107 bytes'],
      [
        'a call before there is a listener',
        { syscalls: [{ names: ['write'], action: 'SCMP_ACT_NOTIFY' }] },
        'UNSUPPORTED',
        'write',
      ],
      ['all calls', { defaultAction: 'SCMP_ACT_NOTIFY', syscalls: [] }, 'UNSUPPORTED', 'sendmsg, write'],
      ['a flag that goes with none', { flags: ['SECCOMP_FILTER_FLAG_TSYNC'] }, 'INVALID_DOCUMENT', 'flags[0]'],
    ] as const)('is not asked by a profile with %s', async (_, changes, code, message) => {
      await expect(
        launch({ command: asking, seccomp: { ...seccomp, ...changes } as SeccompProfile }),
      ).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message),
      });
    });
  },
);
