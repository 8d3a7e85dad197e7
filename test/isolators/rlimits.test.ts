import { text } from 'node:stream/consumers';
import type { Rlimit } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });
const limit = (type: string, soft: number, hard = soft): { rlimits: readonly Rlimit[] } => ({
  rlimits: [{ type, soft, hard }],
});

requires({ root: true })('limits of the processes of a container', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('refuse a file to who has as many open as he may, also to a process that enters', async () => {
    const script = 'exec 3</etc/passwd 4</etc/passwd; (exec 5</etc/passwd) 2>&1; ulimit -n 100 || echo no more';
    const { id } = await host.containerizer.launch({
      image: host.image,
      ...sh('exec sleep 1000'),
      ...limit('NOFILE', 5),
    });
    await using entered = await host.containerizer.exec(id, sh(script));
    const { stdout } = await host.run({ ...sh(script), ...limit('NOFILE', 5) });
    expect(stdout).toMatch(/Too many open files\nno more\n$/);
    expect(await text(entered.stdout)).toBe(stdout);
    await host.containerizer.destroy(id);
  });

  it('end a program that writes a larger file than it may, and one that computes for longer', async () => {
    const size = 65_536;
    const large = await host.run({
      ...sh('trap "stat -c %s /large" EXIT; dd if=/dev/zero of=/large bs=4096 count=100 2>/dev/null; echo $?'),
      ...limit('FSIZE', size),
    });
    // SIGXFSZ is 25.
    expect(large.stdout).toBe(`${128 + 25}\n${size}\n`);
    // SIGXCPU is 24. Process 1, for which it does nothing, goes on to the hard limit.
    const busy = 'while :; do :; done';
    const { stdout } = await host.run({ ...sh(`sh -c '${busy}'; echo $?`), ...limit('CPU', 1, 100) });
    expect(stdout).toBe(`${128 + 24}\n`);
    const { termination } = await host.run({ ...sh(busy), ...limit('CPU', 1, 2) });
    expect(termination.exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
  });
});
