import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, GantryError } from '@gantry/interface';

const firstPauseMs = 5;
const longestPauseMs = 200;

/** Fails unless the host's TCP port is free, as `requirePorts` asks. */
export async function requireFreePort(port: number): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, exclusive: true }, resolve);
    });
  } catch (cause) {
    if (errnoOf(cause) !== 'EADDRINUSE') throw cause;
    throw new GantryError(
      'ALREADY_EXISTS',
      `port ${port} is busy: stop what listens there ('ss -ltnp sport = :${port}' names it)`,
      {
        cause,
        details: { port },
      },
    );
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

/** Connects to the port on loopback as soon as something accepts; `TIMEOUT` after `timeoutMs`. */
export async function connectWhenReady(port: number, timeoutMs: number, signal: AbortSignal): Promise<Socket> {
  const deadline = performance.now() + timeoutMs;
  for (let pause = firstPauseMs; ; pause = Math.min(pause * 2, longestPauseMs)) {
    try {
      return await connectOnce(port);
    } catch (cause) {
      if (errnoOf(cause) !== 'ECONNREFUSED') throw cause;
      if (performance.now() > deadline) {
        throw new GantryError('TIMEOUT', `nothing answered on port ${port} within ${timeoutMs} ms`, {
          cause,
          details: { port },
        });
      }
    }
    // A refused connection says nothing about when the next one will be accepted.
    await delay(pause, undefined, { signal });
  }
}

function connectOnce(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}
