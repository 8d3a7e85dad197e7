import { createServer } from 'node:net';
import { createContainerizer } from '@gantry/containerizer';
import { expect, it } from 'vitest';
import { outputMatching, startHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script], network: 'host' as const });
const ports = { intervalMs: 20 };
const allotted = { listenPorts: [{ first: 21_000, last: 21_010 }] };
const listens = (port: number) => `nc -l -p ${port} & echo started; sleep 1000`;

requires({ root: true })('network/ports', () => {
  it('ends a container that listens outside its ports, and no other', async () => {
    // Somebody else's port, which is nobody's business.
    const mine = createServer().listen(21_500);
    await using host = await startHost({ ports });
    const { containerizer, image } = host;
    const good = await containerizer.launch({ image, ...allotted, ...sh(listens(21_005)) });
    const free = await containerizer.launch({ image, ...sh(listens(21_600)) });
    const bad = await containerizer.launch({
      image,
      ...allotted,
      ...sh(`sh -c 'sleep 0.1; nc -l -p 21700' & sleep 1000`),
    });
    expect(await containerizer.wait(bad.id)).toMatchObject({
      exit: { signal: 'SIGKILL' },
      destroyed: false,
      limitation: { isolator: 'network/ports', resource: 'ports', statistics: { port: 21_700 } },
    });
    for (const { id } of [good, free]) {
      await outputMatching(containerizer, id, /started/);
      expect(await containerizer.status(id)).toMatchObject({ state: 'RUNNING' });
    }
    mine.close();
  });

  it('sees UDP, and processes that were started later, and an empty list as none at all', async () => {
    await using host = await startHost({ ports });
    const { containerizer, image } = host;
    const { id } = await containerizer.launch({
      image,
      listenPorts: [],
      ...sh('sleep 1000'),
      mounts: ['/usr', '/lib', '/lib64'].map(
        (path) => ({ type: 'bind', source: path, target: path, readonly: true }) as const,
      ),
    });
    const bind = (port: number) =>
      `import socket, time; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind(('::', ${port})); print('bound', flush=True); time.sleep(1000)`;
    await using asks = await containerizer.exec(id, { command: ['/usr/bin/python3', '-c', bind(0)] });
    for await (const _ of asks.stdout) break;
    expect(await containerizer.status(id)).toMatchObject({ state: 'RUNNING' });
    await using serves = await containerizer.exec(id, { command: ['/usr/bin/python3', '-c', bind(21_800)] });
    expect(await containerizer.wait(id)).toMatchObject({
      limitation: { message: expect.stringContaining('udp port 21800') },
    });
    await serves.exit;
  });

  it('only reports where that is wanted', async () => {
    await using host = await startHost({ ports: { ...ports, onLimit: 'report' } });
    const { termination } = await host.run({ ...allotted, ...sh('nc -l -p 21900 & sleep 1; exit 3') });
    expect(termination).toMatchObject({ exit: { code: 3 }, limitation: { resource: 'ports' } });
  });

  it('goes on in the next host program', async () => {
    await using host = await startHost({ ports });
    const script = 'until [ -e /dev/shm/go ]; do sleep 0.05; done; nc -l -p 22000';
    const { id } = await host.containerizer.launch({ image: host.image, ...allotted, ...sh(script) });
    await host.containerizer[Symbol.asyncDispose]();
    await using next = await createContainerizer({ root: host.root, stateRoot: host.stateRoot, ports });
    await next.recover();
    await (await next.exec(id, { command: ['/bin/touch', '/dev/shm/go'] })).exit;
    expect(await next.wait(id)).toMatchObject({ limitation: { resource: 'ports' } });
  });

  it('is refused for a network of its own', async () => {
    await using host = await startHost();
    const launch = host.containerizer.launch({ image: host.image, command: ['/bin/true'], ...allotted });
    await expect(launch).rejects.toThrow(/network\/ports.*network: 'host'/);
  });
});
