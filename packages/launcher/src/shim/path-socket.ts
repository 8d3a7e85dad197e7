import { closeSync, constants, openSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { errnoOf, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import { stateFiles } from '../protocol.generated.js';

/** The most bytes of a path in a sockaddr_un. */
const maxSocketPath = 107;

/** `O_PATH` of open(2), which node:fs does not name. */
const O_PATH = 0o10000000;

/** No socket, a socket of a shim that has ended, and one whose shim ended while we were in its queue. */
const absent: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET']);

/**
 * Connects to the shim of a state folder; undefined if none listens there. Nothing here waits once the socket is
 * connected, so the caller is in time to listen for its end.
 */
export async function openPathSocket(stateDir: string): Promise<Socket | undefined> {
  return withPath(stateDir, connected);
}

/** As {@link openPathSocket}, as a bare descriptor, which the caller owns. */
export async function openPathDescriptor(stateDir: string): Promise<number | undefined> {
  return withPath(stateDir, async (path) => addon().connectUnix(path));
}

async function withPath<T>(stateDir: string, connect: (path: string) => Promise<T>): Promise<T | undefined> {
  const path = join(stateDir, stateFiles.socket);
  let folder: number | undefined;
  try {
    if (Buffer.byteLength(path) <= maxSocketPath) return await connect(path);
    folder = openSync(stateDir, O_PATH | constants.O_DIRECTORY);
    return await connect(`/proc/self/fd/${folder}/${stateFiles.socket}`);
  } catch (error) {
    if (absent.has(errnoOf(error) ?? '')) return undefined;
    throw toGantryError(error, `connecting to the shim at ${path}`);
  } finally {
    if (folder !== undefined) closeSync(folder);
  }
}

/** Resolves once no shim is left in a state folder: a connection lasts as long as the shim does. */
export async function shimGone(stateDir: string): Promise<void> {
  for (let socket = await openPathSocket(stateDir); socket; socket = await openPathSocket(stateDir)) {
    await closed(socket);
  }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.on('error', () => socket.destroy());
    socket.once('close', () => resolve());
    socket.resume();
  });
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}
