import { closeSync, openSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { GantryError, isGantryError, toGantryError } from '@gantry/interface';
import { isObject } from '../json.js';
import type { PortMappingArg } from '../runtime-conf.js';
import { bindHeldPorts } from './held-ports.js';

const timeoutMs = 5000;
const mostAnswer = 64 * 1024;

/** Has slirp4netns map ports, one after the other, by the socket in a folder. `PLUGIN_ERROR` for one that it does not map. */
export async function mapSlirpPorts(folder: string, socket: string, ports: readonly PortMappingArg[]): Promise<void> {
  // The path of a socket may be no longer than 107 bytes, which that of a folder can be.
  const held = openSync(folder, 'r');
  try {
    const path = join(`/proc/self/fd/${held}`, socket);
    // It tells no reason.
    for (const port of ports) {
      await bindHeldPorts(
        () => mapPort(path, port),
        (error) => isGantryError(error, 'PLUGIN_ERROR'),
      );
    }
  } finally {
    closeSync(held);
  }
}

async function mapPort(path: string, { protocol, hostIP, hostPort, containerPort }: PortMappingArg): Promise<void> {
  const request = {
    execute: 'add_hostfwd',
    arguments: { proto: protocol, host_addr: hostIP ?? '0.0.0.0', host_port: hostPort, guest_port: containerPort },
  };
  const answer = await ask(path, JSON.stringify(request));
  if (isObject(answer) && answer['return'] !== undefined) return;
  const error = isObject(answer) && isObject(answer['error']) ? String(answer['error']['desc']) : 'it gave no answer';
  throw new GantryError('PLUGIN_ERROR', `slirp4netns does not map port ${hostPort}/${protocol} of the host: ${error}`, {
    details: { hostPort, protocol },
  });
}

async function ask(path: string, request: string): Promise<unknown> {
  const socket = connect({ path });
  socket.setTimeout(timeoutMs, () => socket.destroy(new GantryError('TIMEOUT', `no answer within ${timeoutMs} ms`)));
  let text = '';
  try {
    socket.end(request);
    for await (const piece of socket) {
      text += String(piece);
      if (text.length > mostAnswer) throw new GantryError('LIMIT_EXCEEDED', 'the answer has no end');
    }
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw toGantryError(error, 'asking slirp4netns to map ports');
  } finally {
    socket.destroy();
  }
}
