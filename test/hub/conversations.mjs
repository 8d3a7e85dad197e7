/**
 * Says something on a new connection, and reads until what comes back matches; all that came. Rejects if the peer ends first.
 *
 * @param {import('node:stream').Duplex} connection
 * @param {string | Uint8Array} say
 * @param {RegExp} pattern
 */
export async function converse(connection, say, pattern) {
  // One that ends the connection, or never took it, is told by the reading below.
  connection.on('error', () => undefined);
  connection.write(say);
  let heard = '';
  for await (const chunk of connection) {
    heard += Buffer.from(chunk).toString('latin1');
    if (pattern.test(heard)) return heard;
  }
  throw new Error(`the connection ended after ${JSON.stringify(heard)}`);
}

/**
 * A request whose answer ends with the connection. RFC 9112.
 *
 * @param {string} path
 */
export const httpGet = (path) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;

/**
 * PostgreSQL's StartupMessage, protocol 3.0: length, version, parameters.
 *
 * @param {string} user
 * @returns {Uint8Array}
 */
export function postgresStartup(user) {
  const parameters = Buffer.from(`user\0${user}\0database\0${user}\0\0`);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(head.length + parameters.length, 0);
  head.writeUInt32BE(3 << 16, 4);
  return Buffer.concat([head, parameters]);
}

/** AMQP 0-9-1, 4.2.2: the protocol header; a server answers with Connection.Start, in which its product is named. */
export const amqpHeader = Buffer.from('AMQP\0\0\x09\x01', 'latin1');
