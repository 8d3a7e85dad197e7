import { mkdirSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LaunchedContainer } from '@gantry/interface';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLauncher } from '../src/index.js';
import { protocolVersion } from '../src/protocol.generated.js';
import { Host, processExists, skipNote, skipReason } from './support/host.js';

describe.skipIf(skipReason !== '')(`a container that outlives its connection${skipNote}`, () => {
  let host: Host;
  beforeAll(() => {
    host = new Host();
  });
  afterAll(() => host.dispose());

  const launcher = createLauncher();

  /** A state folder whose socket path is too long for an address. */
  const deep = (request: ReturnType<Host['request']>) => {
    const stateDir = join(request.stateDir, 'x'.repeat(120));
    mkdirSync(stateDir);
    return { ...request, stateDir };
  };

  it('is found again, signalled, and its end is seen by every host', async () => {
    const request = deep(host.request(['sleep', '1000']));
    const first = await launcher.launch(request);
    await first.release();
    expect(first.released).toBe(true);
    await first[Symbol.asyncDispose]();
    expect(processExists(first.process.pid)).toBe(true);

    await using second = await launcher.connect(request.id, request.stateDir);
    await using third = await launcher.connect(request.id, request.stateDir);
    if (!second || !third) throw new Error('the shim is not there');
    expect([second.process, second.shimPid, second.released]).toEqual([first.process, first.shimPid, true]);
    await expect(second.signal(0)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(second.signal(65)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await second.release();
    await second.signal(9);
    const exit = await second.exit;
    expect(exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
    expect(await third.exit).toEqual(exit);
    expect(await launcher.readExit(request.stateDir)).toEqual(exit);

    // It has ended, so there is nothing left to signal, and nobody to connect to.
    await second.signal(9);
    await third.signal(15);
    expect(await launcher.connect(request.id, request.stateDir)).toBeUndefined();
    expect(processExists(first.process.pid)).toBe(false);
  });

  it('is released by the host that launches it and no other', async () => {
    const request = host.request(['true']);
    await using first = await launcher.launch(request);
    await using other = await launcher.connect(request.id, request.stateDir);
    await expect(other?.release()).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await first.release();
    expect(await other?.exit).toMatchObject({ type: 'exited', code: 0 });
  });

  it('is unknown when its shim is lost, and does not outlive it', async () => {
    const request = host.request(['sleep', '1000']);
    await using container = await launcher.launch(request);
    await container.release();
    process.kill(container.shimPid, 'SIGKILL');
    expect(await container.exit).toMatchObject({ type: 'unknown', reason: 'the shim was lost' });
    await expect(container.signal(9)).rejects.toMatchObject({ code: 'SHIM_LOST' });
    expect(await launcher.connect(request.id, request.stateDir)).toBeUndefined();
    expect(await launcher.readExit(request.stateDir)).toBeUndefined();
  });

  it('is not taken for ended when its shim has no room for one more connection', async () => {
    const request = host.request(['sleep', '1000']);
    await using container = await launcher.launch(request);
    await container.release();
    const connections: AsyncDisposable[] = [];
    const fill = async () => {
      for (;;) {
        const connection = await launcher.connect(request.id, request.stateDir);
        if (!connection) return;
        connections.push(connection);
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(connections.length).toBe(32);
    await container.signal(9);
    await container.exit;
  });

  it('is absent where no shim ever was', async () => {
    const { id, stateDir } = host.request(['true']);
    expect(await launcher.connect(id, stateDir)).toBeUndefined();
  });

  it('is only watched and signalled where its shim speaks another version', async () => {
    const request = host.request(['sleep', '1000']);
    const { stateDir } = host.request(['true']);
    await using real = await launcher.launch(request);
    await real.release();
    // Of the release before, and of one to come.
    for (const shim of [protocolVersion - 1, protocolVersion + 1]) {
      const hello = encodeHello(shim, real);
      let shimSide: Socket | undefined;
      const server = createServer((socket) => {
        socket.on('error', () => undefined).write(hello);
        shimSide = socket;
      });
      await new Promise<void>((resolve) => server.listen(join(stateDir, 'shim.sock'), resolve));
      try {
        await using other = await launcher.connect(request.id, stateDir);
        if (!other) throw new Error('the shim is not there');
        const refusal = {
          code: 'UNSUPPORTED',
          message: expect.stringContaining('use the release of Gantry that started it') as string,
          details: { shim, launcher: protocolVersion },
        };
        expect(other.refusal).toMatchObject(refusal);
        expect([other.process, other.shimPid, other.released]).toEqual([real.process, real.shimPid, true]);
        for (const refused of [other.attach(), other.enter(request), other.connect(request, 80)])
          await expect(refused).rejects.toMatchObject(refusal);
        await expect(other.signal(65)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
        await other.signal(constants.signals.SIGCONT);
        // What another release may say is no reason to think that its shim is gone.
        await new Promise<void>((resolve) => shimSide?.write(Buffer.from([1, 0, 0, 0, 255]), () => resolve()));
        expect(await Promise.race([other.exit, delay(50, 'it goes on')])).toBe('it goes on');
        shimSide?.destroy();
        expect(await other.exit).toMatchObject({ type: 'unknown', reason: 'the shim was lost' });
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
    }
    expect(processExists(real.process.pid)).toBe(true);
    await real.signal(constants.signals.SIGKILL);
    await real.exit;
  });
});

/** The first frame of a shim of any version. */
function encodeHello(version: number, { shimPid, process }: LaunchedContainer): Buffer {
  const hello = Buffer.alloc(4 + 1 + 4 + 4 + 4 + 8 + 1);
  hello.writeUInt32LE(hello.length - 4);
  hello.writeUInt8(65, 4);
  hello.writeUInt32LE(version, 5);
  hello.writeInt32LE(shimPid, 9);
  hello.writeInt32LE(process.pid, 13);
  hello.writeBigUInt64LE(BigInt(process.startTime), 17);
  hello.writeUInt8(1, 25);
  return hello;
}
