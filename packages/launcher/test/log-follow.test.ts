import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLauncher } from '../src/index.js';
import { Host, skipNote, skipReason } from './support/host.js';

describe.skipIf(skipReason !== '')(`the log of a running container${skipNote}`, () => {
  let host: Host;
  beforeAll(() => {
    host = new Host();
  });
  afterAll(() => host.dispose());

  const shell = (script: string) => ['sh', '-c', script];

  it('is followed to the last byte, as the container is asked for more', async () => {
    const launcher = createLauncher();
    const request = host.request(
      shell('for i in 1 2 3; do echo $i; echo e$i >&2; read go < /tmp/go; done; printf end'),
      (config) => config.mounts.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs' }),
    );
    // A fifo that the container waits on; the test answers each line that it has seen.
    request.config.linux.devices = [{ type: 'p', path: '/tmp/go' }];
    await using container = await launcher.launch(request);
    // Open for reading too, so that the container never finds the fifo without a writer.
    await using fifo = await open(`/proc/${container.process.pid}/root/tmp/go`, 'r+');
    await container.release();
    const seen = { stdout: '', stderr: '' };
    for await (const { stream, data } of launcher.readLog(request.stateDir, { follow: true })) {
      seen[stream] += Buffer.from(data).toString();
      const rounds = [seen.stdout, seen.stderr].map((text) => text.split('\n').length);
      if (rounds[0] === rounds[1] && !seen.stdout.endsWith('end')) await fifo.write('go\n');
    }
    expect(seen).toEqual({ stdout: '1\n2\n3\nend', stderr: 'e1\ne2\ne3\n' });
    expect(await container.exit).toMatchObject({ type: 'exited', code: 0 });
  });

  it('keeps every byte through rotations, whatever they are', async () => {
    const launcher = createLauncher({ logMaxBytes: 32 * 1024, logMaxFiles: 1000 });
    const request = host.request(
      shell('head -c 1000000 /dev/urandom | tee /tmp/copy; sha256sum < /tmp/copy >&2'),
      (config) => config.mounts.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs' }),
    );
    await using container = await launcher.launch(request);
    await container.release();
    const streams = { stdout: createHash('sha256'), stderr: [] as Uint8Array[] };
    for await (const { stream, data } of launcher.readLog(request.stateDir, { follow: true })) {
      if (stream === 'stdout') streams.stdout.update(data);
      else streams.stderr.push(data);
    }
    const [expected] = Buffer.concat(streams.stderr).toString().split(' ');
    expect(streams.stdout.digest('hex')).toBe(expected);
    // And the same again from the files alone.
    const again = createHash('sha256');
    for await (const { data } of launcher.readLog(request.stateDir, { stream: 'stdout' })) again.update(data);
    expect(again.digest('hex')).toBe(expected);
  });

  it('ends when the shim is killed, and when the reader gives up', async () => {
    const launcher = createLauncher();
    const request = host.request(shell('echo ready; sleep 1000'));
    await using container = await launcher.launch(request);
    await container.release();
    const abort = new AbortController();
    const aborted = (async () => {
      for await (const _ of launcher.readLog(request.stateDir, { follow: true, signal: abort.signal }))
        abort.abort('enough');
    })();
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED', cause: 'enough' });
    let lines = 0;
    for await (const _ of launcher.readLog(request.stateDir, { follow: true })) {
      lines++;
      process.kill(container.shimPid, 'SIGKILL');
    }
    expect(lines).toBe(1);
    expect(await container.exit).toMatchObject({ type: 'unknown' });
  });
});
