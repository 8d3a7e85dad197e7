import { execFileSync } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching, readOutput, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const python = '/usr/bin/python3';

/** The number of the session keyring (-3) by keyctl(KEYCTL_GET_KEYRING_ID), which makes none. */
const program = `import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
number = {'x64': 250, 'arm64': 219}['${process.arch}']
print(libc.syscall(number, 0, -3, 0), flush=True)
if len(sys.argv) > 1: time.sleep(1000)`;

requires({ root: true, commands: [python], packages: ['python3'] })('the session keyring of a container', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('is its own: neither the host program’s, nor another container’s, nor that of a process that enters', async () => {
    // The default profile allows nobody to ask.
    const spec = { rootfs: '/', readonlyRootfs: true, seccomp: 'unconfined' } as const;
    const { id } = await host.containerizer.launch({ ...spec, command: [python, '-c', program, 'stay'] });
    await outputMatching(host.containerizer, id, /\d/);
    const { stdout: first } = await readOutput(host.containerizer, id);
    await using entered = await host.containerizer.exec(id, { command: [python, '-c', program] });
    const { stdout: other } = await host.run({ ...spec, image: undefined, command: [python, '-c', program] });
    const own = execFileSync(python, ['-c', program], { encoding: 'utf8' });
    const keyrings = [first, await text(entered.stdout), other, own];
    expect(keyrings).toEqual(keyrings.map(() => expect.stringMatching(/^\d+\n$/)));
    expect(new Set(keyrings).size).toBe(keyrings.length);
    await host.containerizer.destroy(id);
  });
});
