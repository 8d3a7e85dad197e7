import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { type EnterMessage, encodeFrame, stateFiles } from '../../packages/launcher/src/protocol.generated.js';
import { addon } from '../src/addon.js';
import { processGone } from './support/process.js';
import { exec, shell, start } from './support/run.js';
import { attach, launch, removeStateDirs, ShimSocket } from './support/shim-session.js';

const SIGKILL = 9;
const EBADF = 9;
const EBUSY = 16;
const EINVAL = 22;

afterEach(removeStateDirs);

const message = (changes: Partial<EnterMessage> = {}): EnterMessage => ({
  op: 'enter',
  namespaces: 0,
  cgroups: [],
  cgroup: '',
  terminal: 0,
  agent: '',
  steps: shell('echo "$0"; cat; exit 4'),
  ...changes,
});

/** Connects, and gives what sends a message with three pipes, of which the process has the other ends. */
async function connectClient(folder: string) {
  const fd = addon().connectUnix(join(folder, stateFiles.socket));
  const client = new ShimSocket(new Socket({ fd }));
  await client.expect('hello');
  return { client, send: (what: EnterMessage) => sendEnter(client, fd, what) };
}

async function enter(folder: string, what = message()) {
  const { client, send } = await connectClient(folder);
  return { shim: client, ...send(what) };
}

function sendEnter(client: ShimSocket, fd: number, what: EnterMessage) {
  const [input, output, errors] = [addon().pipe(), addon().pipe(), addon().pipe()];
  const theirs = [input.read, output.write, errors.write];
  const frame = encodeFrame(what);
  // In two pieces, since the kernel may take fewer than all.
  const sent = addon().sendDescriptors(fd, frame.subarray(0, 40), theirs);
  for (const end of theirs) addon().closeFd(end);
  addon().closeFd(errors.read);
  client.sendBytes(frame.subarray(sent));
  return {
    stdin: new Socket({ fd: input.write, readable: false, writable: true }),
    stdout: new Socket({ fd: output.read, readable: true, writable: false }),
  };
}

describe('a process that enters', () => {
  it('has the descriptors that came with the message, and its end is told to its client alone', async () => {
    const { shim, folder } = await start(exec('/bin/sleep', '1000'));
    const entered = await enter(folder);
    await entered.shim.expect('started');
    entered.stdin.end('input\n');
    expect(await text(entered.stdout)).toBe('/bin/sh\ninput\n');
    expect(await entered.shim.expect('exited')).toMatchObject({ type: 0, value: 4 });
    await entered.shim.closed();
    shim.send({ op: 'signal', request: 1, signal: SIGKILL });
    await shim.expect('done');
    expect(await shim.expect('exited')).toMatchObject({ type: 1, value: SIGKILL });
  });

  it('ends with its client', async () => {
    const { shim, folder } = await start(exec('/bin/sleep', '1000'));
    const { shim: client, stdout } = await enter(folder, message({ steps: shell('echo $$; exec sleep 1000') }));
    await client.expect('started');
    const pid = await new Promise<number>((resolve) => stdout.once('data', (chunk) => resolve(Number(chunk))));
    client.close();
    await processGone(pid);
    shim.send({ op: 'signal', request: 1, signal: SIGKILL });
    await shim.expect('done');
    await shim.expect('exited');
  });

  it('ends with a client that has gone by the time the shim would tell it of the start', async () => {
    const { shim, hello, folder } = await start(exec('/bin/sleep', '1000'));
    const clients = await Promise.all(Array.from({ length: 8 }, () => connectClient(folder)));
    process.kill(hello.shimPid, 'SIGSTOP');
    const outputs = clients.map(({ send }) => send(message({ steps: shell('echo $$; exec sleep 1000') })));
    for (const { client } of clients) client.close();
    process.kill(hello.shimPid, 'SIGCONT');
    // Those that got as far as their first word; the others are gone as well.
    for (const { stdout } of outputs)
      for (const pid of (await text(stdout)).split('\n')) if (pid) await processGone(Number(pid));
    shim.send({ op: 'signal', request: 1, signal: SIGKILL });
    await shim.expect('done');
    await shim.expect('exited');
  });

  it('ends with the container, also where the kernel does not see to that', async () => {
    const { shim, folder } = await start(exec('/bin/sleep', '1000'));
    const { shim: client } = await enter(folder, message({ steps: exec('/bin/sleep', '1000') }));
    await client.expect('started');
    shim.send({ op: 'signal', request: 1, signal: SIGKILL });
    expect(await client.expect('exited')).toMatchObject({ type: 1, value: SIGKILL });
    await shim.expect('done');
    await shim.expect('exited');
    expect(readFileSync(join(folder, stateFiles.exitRecord), 'utf8')).toMatch(/^signaled 9\n/);
  });

  it('is refused for namespaces that are none, without descriptors, and before the container runs', async () => {
    const { shim, folder } = await start(exec('/bin/sleep', '1000'));
    const flags = await enter(folder, message({ namespaces: 0x100 }));
    expect(await flags.shim.expect('failed')).toMatchObject({ name: 'enter: namespaces', errno: EINVAL });
    await flags.shim.closed();
    const bare = await attach(folder);
    await bare.expect('hello');
    bare.send(message());
    expect(await bare.expect('failed')).toMatchObject({ errno: EBADF });
    await bare.closed();
    shim.send({ op: 'signal', request: 1, signal: SIGKILL });
    await shim.expect('done');
    await shim.expect('exited');

    const early = await launch(exec('/bin/sleep', '1000'));
    await early.shim.expect('hello');
    const entered = await enter(early.folder);
    expect(await entered.shim.expect('failed')).toMatchObject({ errno: EBUSY });
    early.shim.close();
  });
});
