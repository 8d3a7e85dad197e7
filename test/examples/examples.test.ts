import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const top = fileURLToPath(new URL('../../', import.meta.url));
const node = promisify(execFile).bind(undefined, process.execPath);

describe('the README', () => {
  it('shows the first program as it is', async () => {
    const program = await readFile(join(top, 'examples/first-program/src/main.ts'), 'utf8');
    expect(await readFile(join(top, 'README.md'), 'utf8')).toContain(program);
  });
});

requires({ root: true, commands: ['apt-get', 'dpkg-deb'] })('the examples', () => {
  let host: TestHost;
  let env: NodeJS.ProcessEnv;
  beforeAll(async () => {
    host = await startHost();
    env = { ...process.env, GANTRY_ROOT: `${host.root}-example`, GANTRY_STATE_ROOT: `${host.stateRoot}-example` };
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('first-program says hello and shows the exit code', async () => {
    const { stdout } = await node([join(top, 'examples/first-program/dist/main.js'), host.image], { env });
    expect(stdout).toBe('hello from gantry\nexit code 3\n');
  });

  it('recover-after-restart finds its container again, with all that it wrote', async () => {
    const script = [join(top, 'examples/recover-after-restart/dist/main.js'), host.image];
    const killed = await node(script, { env }).catch((error: unknown) => error as { signal: string; stdout: string });
    expect(killed).toMatchObject({
      signal: 'SIGKILL',
      stdout: '1 from the first host program\nthe host program is killed, the container goes on\n',
    });
    const { stdout } = await node(script, { env });
    expect(stdout).toBe('1 from the first host program\n2 from the second one\nexit code 2\n');
  });

  it('custom-isolator ends a container by a limit of its own', async () => {
    const { stdout } = await node([join(top, 'examples/custom-isolator/dist/main.js'), host.image], { env });
    expect(stdout).toBe('I have 0.5 s\nexample/time: it ran for 0.5 seconds, which is all it had\n');
  });

  it('pods runs two containers over one network and one volume', async () => {
    const { stdout } = await node([join(top, 'examples/pods/dist/main.js'), host.image], { env });
    expect(stdout).toBe('written by pod\n');
  });

  it.skipIf(!existsSync('/usr/lib/cni/portmap'))(
    'cni-bridge finds a container by its name and by a port of the host',
    async () => {
      const script = [join(top, 'examples/cni-bridge/dist/main.js'), host.image, `${host.root}-cni`];
      const { stdout } = await node(script, { env });
      await promisify(execFile)('ip', ['link', 'delete', 'gantry-example']);
      const [first, ...others] = `${stdout}`.trimEnd().split('\n');
      expect(first).toMatch(/^the server has 10\.123\.0\.\d+, and a port of the host$/);
      expect(others).toEqual(['by name: hello from server', "by the host's port: hello from server"]);
    },
  );

  it('pull-image pulls, shows progress and what it got, and asks no registry the second time', async () => {
    const script = [join(top, 'examples/pull-image/dist/main.js'), host.image, `${host.root}-pulled`];
    const first = await node(script, { env });
    const [image = '', ...others] = `${first.stdout}`.trimEnd().split('\n');
    expect(image).toMatch(new RegExp(`^${host.image} sha256:[0-9a-f]{64}$`));
    const layout = others.pop() ?? '';
    expect(JSON.parse(await readFile(join(layout, 'oci-layout'), 'utf8'))).toEqual({ imageLayoutVersion: '1.0.0' });
    expect(others.length).toBeGreaterThan(0);
    for (const line of others) expect(line).toMatch(/^layer sha256:[0-9a-f]{64} \d+ bytes$/);
    expect(first.stderr).toMatch(/\r\d+\.\d MB\n$/);
    const asked = host.registry.requests.length;
    const second = await node(script, { env });
    expect(second.stdout).toBe(`${first.stdout}`.replace('\n', ', from the store\n'));
    expect(second.stderr).toBe('');
    expect(host.registry.requests.length).toBe(asked);
  });

  it('marathon deploys redis, the second time without pulling', async () => {
    const script = join(top, 'examples/marathon/dist/main.js');
    const first = await node([script], { env });
    expect(first.stdout).toMatch(/^PING +PONG$/m);
    expect(first.stdout).toMatch(/^GET gantry +first-light$/m);
    expect(first.stdout).toMatch(/^pull +\d+ ms$/m);
    expect(first.stdout).toMatch(/^memory +[\d.]+ MiB of 128\.0 MiB$/m);
    expect(first.stdout).toMatch(/^stopped with +SIGTERM, exit code 0$/m);
    const second = await node([script], { env });
    expect(second.stdout).toMatch(/^PING +PONG$/m);
    expect(second.stdout).toMatch(/^pull +none/m);
    expect(second.stderr).not.toContain('fetched');
  });

  it('marathon names the remedy when its port is busy', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(6379, () => resolve()));
    try {
      const failed = node([join(top, 'examples/marathon/dist/main.js')], { env });
      await expect(failed).rejects.toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/port 6379 is busy: stop what listens there/),
      });
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  });
});
