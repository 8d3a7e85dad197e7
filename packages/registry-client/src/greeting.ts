import { connect } from 'node:tls';

/** What a connection fails with if the other end answers a TLS greeting in another protocol. */
const otherProtocol = 'ERR_SSL_WRONG_VERSION_NUMBER';

/**
 * Greets a server in TLS, and fails as a connection would if its answer is none of TLS. Whatever else comes of it is for a real
 * connection to find out: nothing is trusted here, nothing is asked, and no authorities need be known.
 */
export function greet({ hostname, port }: URL, limitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port || 443),
      ca: [],
      rejectUnauthorized: false,
      timeout: limitMs,
    });
    const end = () => socket.destroy();
    signal.addEventListener('abort', end, { once: true });
    socket.once('secureConnect', end);
    socket.once('timeout', end);
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === otherProtocol) reject(error);
    });
    socket.once('close', () => {
      signal.removeEventListener('abort', end);
      resolve();
    });
    if (signal.aborted) end();
  });
}
