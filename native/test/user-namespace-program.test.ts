import { type ChildProcess, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readlinkSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { withoutDescriptors } from '../../test/support/without-descriptors.js';
import { userNamespaceObstacle } from '../src/user-namespace/obstacles.js';
import { runInUserNamespace } from '../src/user-namespace/program.js';

const obstacle = userNamespaceObstacle();
const because = obstacle ? ` (skipped: ${obstacle.problem})` : '';

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

/** Runs a script of the shell in a namespace; what it writes to its socket. */
async function told(script: string, member?: number): Promise<string> {
  const { child, socket } = await runInUserNamespace(['/bin/sh', '-c', `exec >&3; ${script}`], member);
  children.push(child);
  return text(socket);
}

/** A process in a user namespace of its own, and its folder below /proc. */
async function member(): Promise<{ readonly child: ChildProcess; readonly fd: number }> {
  const { child, socket } = await runInUserNamespace(['/bin/sh', '-c', 'echo there >&3; exec sleep 600']);
  children.push(child);
  await once(socket, 'data');
  return { child, fd: openSync(`/proc/${child.pid}`, 'r') };
}

describe.skipIf(obstacle)(`a program in a user namespace${because}`, () => {
  it('is the root of a new one', async () => {
    const namespace = await told('id -u; readlink /proc/self/ns/user');
    expect(namespace).toMatch(/^0\nuser:\[\d+\]\n$/);
    expect(namespace).not.toContain(readlinkSync('/proc/self/ns/user'));
  });

  it('is in that of a process, which it can look into', async () => {
    const { child, fd } = await member();
    const own = await told(
      'readlink /proc/self/ns/user; readlink /proc/self/fd/4/ns/user; ls -d /proc/self/fd/4/root/.',
      fd,
    );
    closeSync(fd);
    const namespace = readlinkSync(`/proc/${child.pid}/ns/user`);
    expect(own).toBe(`${namespace}\n${namespace}\n/proc/self/fd/4/root/.\n`);
  });

  it('is in none of a process that has ended, whoever has its id', async () => {
    const { child, fd } = await member();
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
    await expect(told('true', fd)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    closeSync(fd);
  });

  it('has nothing that the host program has open', () => {
    const module = fileURLToPath(new URL('../dist/index.js', import.meta.url));
    const script = `
      const { runInUserNamespace } = await import(${JSON.stringify(module)});
      const { child, socket } = await runInUserNamespace(['/bin/sh', '-c', 'ls /proc/self/fd >&3']);
      socket.pipe(process.stdout);`;
    const secret = openSync('/dev/null', 'r');
    // Past a gap: those up to the first are closed by Node.js.
    const stdio = ['ignore', 'pipe', 'inherit', ...Array<'ignore'>(20).fill('ignore'), secret] as const;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      stdio: [...stdio],
      encoding: 'utf8',
    });
    closeSync(secret);
    // And the one by which they are listed.
    expect(stdout.trim().split('\n')).toEqual(['0', '1', '2', '3', '4']);
  });
});

it('a program in a user namespace is refused where the host program is out of descriptors', async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown) => void unhandled.push(error);
  process.on('uncaughtException', note);
  try {
    await withoutDescriptors(() =>
      expect(runInUserNamespace(['/bin/true'])).rejects.toMatchObject({
        code: 'SYSTEM',
        message: expect.stringContaining('EMFILE'),
      }),
    );
  } finally {
    process.off('uncaughtException', note);
  }
  expect(unhandled).toEqual([]);
});
