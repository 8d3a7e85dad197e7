import { deserialize, serialize } from 'node:v8';

/** What the host program says to the helper about its workers. */
export type HelperRequest =
  | { readonly type: 'start'; readonly worker: number; readonly url: string; readonly data: unknown }
  | { readonly type: 'post'; readonly worker: number; readonly message: unknown }
  | { readonly type: 'terminate'; readonly worker: number };

/** What the helper says of them. */
export type HelperResponse =
  | { readonly type: 'message'; readonly worker: number; readonly message: unknown }
  | { readonly type: 'error'; readonly worker: number; readonly message: string }
  | { readonly type: 'exit'; readonly worker: number; readonly status: number };

/** A message as it goes over the socket: a u32 length, and what the structured clone algorithm makes of it. */
export function encodeMessage(message: HelperRequest | HelperResponse): Buffer {
  const body = serialize(message);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
}

/** Puts messages together again, of whatever pieces they come in. Both ends are this program's own. */
export class MessageDecoder<T extends HelperRequest | HelperResponse> {
  #pieces: Buffer[] = [];
  #size = 0;

  *push(piece: Buffer): Generator<T, void, undefined> {
    this.#pieces.push(piece);
    this.#size += piece.length;
    for (;;) {
      if (this.#size < 4) return;
      // Put together once for many small pieces.
      if ((this.#pieces[0]?.length ?? 0) < 4) this.#pieces = [Buffer.concat(this.#pieces)];
      const length = 4 + (this.#pieces[0]?.readUInt32LE(0) ?? 0);
      if (this.#size < length) return;
      const whole = this.#pieces.length === 1 ? (this.#pieces[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#pieces);
      this.#pieces = whole.length > length ? [whole.subarray(length)] : [];
      this.#size -= length;
      yield deserialize(whole.subarray(4, length)) as T;
    }
  }
}
