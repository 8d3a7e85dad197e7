import http from 'node:http';
import https from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { SocketTap } from './socket-tap.js';

type Created = (error: Error | null, stream: Duplex) => void;

/** Below the 5 s after which many servers close an idle connection, so that none is reused while it is being closed. */
export const idleMs = 4_000;

/** Keeps connections for plain HTTP, each with a {@link SocketTap}. */
export class HttpAgent extends http.Agent {
  constructor() {
    super({ keepAlive: true, timeout: idleMs });
  }

  override createConnection(options: http.ClientRequestArgs, created?: Created): Duplex | null | undefined {
    return tapped(options, (all) => super.createConnection(all, created));
  }
}

/** Keeps connections for HTTPS, each with a {@link SocketTap}. */
export class HttpsAgent extends https.Agent {
  constructor(tls: https.AgentOptions) {
    super({ ...tls, keepAlive: true, timeout: idleMs });
  }

  override createConnection(options: http.ClientRequestArgs, created?: Created): Duplex | null | undefined {
    return tapped(options, (all) => super.createConnection(all, created));
  }
}

function tapped(
  options: http.ClientRequestArgs,
  connect: (options: http.ClientRequestArgs) => Duplex | null | undefined,
): Duplex | null | undefined {
  const tap = new SocketTap();
  const socket = connect({ ...options, onread: tap.onread } as http.ClientRequestArgs);
  if (socket instanceof Socket) tap.attach(socket);
  return socket;
}
