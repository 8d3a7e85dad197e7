import { checkHealth, type HealthCheck, type HealthResult } from '@gantry/containerizer';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { outputMatching, startHost, type TestHost } from './host.js';

const often = { intervalMs: 20, timeoutMs: 10_000 };
const serve = 'mkdir /www; echo fine >/www/health; httpd -p 127.0.0.1:8080 -h /www; echo ready; exec sleep 100000';

requires({ root: true })('the health of a container', () => {
  let host: TestHost;
  let id: string;
  beforeAll(async () => {
    host = await startHost();
    ({ id } = await host.containerizer.launch({ image: host.image, command: ['/bin/sh', '-c', serve] }));
    await outputMatching(host.containerizer, id, /ready/);
  });
  afterAll(() => host[Symbol.asyncDispose]());

  async function ask(check: HealthCheck): Promise<string> {
    await using watch = await checkHealth(host.containerizer, id, { ...often, ...check });
    for await (const { healthy, message } of watch) return `${healthy ? 'healthy' : 'unhealthy'}: ${message}`;
    throw new Error('it was not asked');
  }

  /** What runs in the container, by its command lines. */
  async function processes(): Promise<string> {
    await using listing = await host.containerizer.exec(id, { command: ['/bin/ps', '-o', 'args'] });
    let lines = '';
    for await (const chunk of listing.stdout) lines += String(chunk);
    return lines;
  }

  it('is what a command in it says, by exit code, signal or time', async () => {
    const sh = (line: string) => ({ type: 'command', command: ['/bin/sh', '-c', line] }) as const;
    expect(await ask(sh('test -f /www/health'))).toBe('healthy: exited with 0');
    expect(await ask(sh('echo broken; echo very >&2; exit 3'))).toBe('unhealthy: exited with 3: broken\nvery');
    expect(await ask(sh('kill -ABRT $$'))).toBe('unhealthy: SIGABRT');
    expect(await ask({ ...sh('echo $COLOUR; id -u'), env: { COLOUR: 'red' }, user: '12:34' })).toBe(
      'healthy: exited with 0: red\n12',
    );
    // More than a pipe holds must not hold it up.
    expect(await ask(sh('dd if=/dev/zero bs=65536 count=32 2>/dev/null'))).toMatch(/^healthy/);
    expect(await ask({ ...sh('exec sleep 5555'), timeoutMs: 200 })).toBe('unhealthy: no answer within 200 ms');
    expect(await processes()).not.toContain('5555');
    // What it leaves behind holds its output open, not the answer up.
    expect(await ask(sh('sleep 30 & echo left'))).toBe('healthy: exited with 0: left');
    expect(await ask({ type: 'command', command: ['/no/such'] })).toMatch(/^unhealthy: .*\/no\/such/);
  });

  it('is what its own loopback answers, whatever the host has on that port', async () => {
    const http = { type: 'http', port: 8080 } as const;
    expect(await ask({ ...http, path: '/health' })).toBe('healthy: HTTP status 200');
    expect(await ask({ ...http, path: '/none' })).toBe('unhealthy: HTTP status 404');
    expect(await ask({ type: 'tcp', port: 8080 })).toBe('healthy: port 8080 is open');
    expect(await ask({ type: 'tcp', port: 8081 })).toMatch(/^unhealthy/);
    const onHost = Number(host.registry.address.split(':').at(-1));
    expect(await ask({ type: 'tcp', port: onHost })).toMatch(/^unhealthy/);
  });

  it('is told when it changes, and is no more once the container has ended', async () => {
    const { containerizer, image } = host;
    const waits = 'touch /ok; echo ready; exec sleep 100000';
    const { id } = await containerizer.launch({ image, command: ['/bin/sh', '-c', waits] });
    await outputMatching(containerizer, id, /ready/);
    const changes: string[] = [];
    const check = { type: 'command', command: ['/bin/test', '-f', '/ok'], failures: 2 } as const;
    const onChange = (state: string) => changes.push(state);
    const watch = await checkHealth(containerizer, id, { ...often, ...check }, { onChange });
    const results: HealthResult[] = [];
    for await (const result of watch) {
      results.push(result);
      if (results.length === 3) {
        await using removal = await containerizer.exec(id, { command: ['/bin/rm', '/ok'] });
        await removal.exit;
      }
      if (result.state === 'unhealthy') await containerizer.destroy(id);
    }
    expect(changes).toEqual(['healthy', 'unhealthy']);
    expect(results.at(-1)).toMatchObject({ healthy: false, state: 'unhealthy', message: 'exited with 1' });
    await expect(checkHealth(containerizer, id, check)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await expect(checkHealth(containerizer, 'nobody', check)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
