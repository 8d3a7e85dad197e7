import type { OnReadOpts, Socket } from 'node:net';

/** Takes what a socket reads. */
export interface Sink {
  /** Where the next bytes are to be written; never empty. */
  room(): Uint8Array;
  /** So many bytes were written to the last room. False has the socket stop reading until it is resumed. */
  filled(bytes: number): boolean;
}

/** What Node.js itself reads at once. */
const scratchBytes = 64 * 1024;

const taps = new WeakMap<object, SocketTap>();

/**
 * Stands between a socket and the HTTP parser. It passes on what comes until a sink takes over, in the middle of a
 * response: from then on the kernel's bytes go straight to memory of the sink's own. The parser would allocate twice for
 * every 64 KiB, and it is the garbage collections of that, not the copying, that a large download costs most.
 */
export class SocketTap {
  /** For the `onread` option of net.connect and tls.connect. */
  readonly onread: OnReadOpts;
  #socket: Socket | undefined;
  #sink: Sink | undefined;
  #passing = false;

  constructor() {
    const scratch = Buffer.allocUnsafeSlow(scratchBytes);
    this.onread = {
      buffer: () => this.#sink?.room() ?? scratch,
      callback: (bytes) => this.#sink?.filled(bytes) ?? this.#pass(scratch.subarray(0, bytes)),
    };
  }

  /** To be called before anything is read. */
  attach(socket: Socket): void {
    this.#socket = socket;
    taps.set(socket, this);
  }

  /** Gives the sink all that the socket reads after what is being parsed now; false if nothing is. */
  divert(sink: Sink): boolean {
    if (this.#passing) this.#sink = sink;
    return this.#passing;
  }

  #pass(bytes: Uint8Array): boolean {
    this.#passing = true;
    try {
      return this.#socket?.push(Buffer.from(bytes)) ?? false;
    } finally {
      this.#passing = false;
    }
  }
}

/** The tap of a socket that was connected with one. */
export function tapOf(socket: object): SocketTap | undefined {
  return taps.get(socket);
}
