import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Reply } from './reply.js';
import type { Ending } from './spoil.js';

/** Carries an answer out. Resolves when it is sent or the other side is gone. */
export async function send(response: ServerResponse, method: string, reply: Reply, ending: Ending): Promise<void> {
  const size = reply.body?.size ?? 0;
  response.writeHead(reply.status, { ...reply.headers, 'Content-Length': String(size) });
  response.flushHeaders();
  if (method !== 'HEAD')
    await sendBody(response, reply, ending.type === 'end' ? size : Math.min(size, ending.afterBytes));
  if (ending.type === 'end') response.end();
  else await breakOff(response, ending.type);
}

/** Resets the connection, or leaves it hanging until the other side or the registry closes it. */
export async function breakOff(response: ServerResponse, how: 'reset' | 'stall'): Promise<void> {
  if (how === 'reset') response.socket?.resetAndDestroy();
  else if (!response.destroyed) await once(response, 'close');
}

async function sendBody(response: ServerResponse, { body }: Reply, bytes: number): Promise<void> {
  if (!body || bytes === 0) return;
  for await (const chunk of body.read(0, bytes)) {
    if (response.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        response.off('close', done);
        resolve();
      };
      response.once('close', done);
      // The callback comes when the bytes are with the kernel, or have failed: then `close` follows.
      response.write(chunk, done);
    });
  }
}
