import type { Socket } from 'node:net';
import { GantryError } from '@gantry/interface';

const longestReply = 64 * 1024;

/** A minimal client of the Redis serialization protocol (RESP2): one command at a time, simple and bulk strings back. */
export class RespClient implements Disposable {
  #buffer = Buffer.alloc(0);

  constructor(private readonly socket: Socket) {}

  /** Sends a command and resolves with its reply as text; null for a missing value. */
  async command(...parts: readonly string[]): Promise<string | null> {
    this.socket.write(
      `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`,
    );
    for await (const chunk of this.socket.iterator({ destroyOnReturn: false })) {
      this.#buffer = Buffer.concat([this.#buffer, chunk as Buffer]);
      const reply = this.#takeReply();
      if (reply !== undefined) return reply;
      if (this.#buffer.length > longestReply)
        throw new GantryError('LIMIT_EXCEEDED', `the reply to ${parts[0]} is too long`);
    }
    throw new GantryError('CLOSED', `the server closed the connection before it answered ${parts[0]}`);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #takeReply(): string | null | undefined {
    const end = this.#buffer.indexOf('\r\n');
    if (end < 0) return undefined;
    const type = String.fromCharCode(this.#buffer[0] ?? 0);
    const line = this.#buffer.toString('utf8', 1, end);
    if (type !== '$') {
      this.#buffer = this.#buffer.subarray(end + 2);
      if (type === '-') throw new GantryError('INVALID_ARGUMENT', `the server refused the command: ${line}`);
      return line;
    }
    const length = Number(line);
    const start = end + 2;
    if (length < 0) {
      this.#buffer = this.#buffer.subarray(start);
      return null;
    }
    if (this.#buffer.length < start + length + 2) return undefined;
    const value = this.#buffer.toString('utf8', start, start + length);
    this.#buffer = this.#buffer.subarray(start + length + 2);
    return value;
  }
}
