/**
 * Reads a file from its start in a thread of its own, decompresses and hashes it, some pieces ahead. One piece is in use at
 * a time. Takes a copy of the descriptor; the file's own position is left alone.
 */
export interface BlobReader {
  /** Lets the thread read that many bytes from the file's start, and, with `isComplete`, end there. What was allowed stays so. */
  allow(bytes: number, isComplete: boolean): void;
  /**
   * Gives back the piece before, whose memory is used again, and waits some milliseconds for the next. `starved`: all that
   * may be read has been, allow more; `nothing`: ask again. Bytes before a fault come out before it is thrown: a Node.js
   * system error of pread, or an error whose code is `MALFORMED` and whose message says what is wrong with the gzip stream.
   * Of a file that was taken over by `RootDirectory.writeBehind`, the first system error is thrown at once, with the file's
   * path as `entry`, a Buffer; at the `end` all of them are finished.
   */
  next(): Uint8Array | 'end' | 'starved' | 'nothing';
  /** Bytes of the file that are read. */
  position(): number;
  /** Of all that came out, after `end`; throws before. */
  digest(): Buffer;
  /** Ends the thread; files that are not finished stay as they are. Idempotent; garbage collection and the end of a worker close, too. */
  close(): void;
}

/** The addon's decompression. */
export interface BlobAddon {
  /** `gzip` is all members, each verified, with nothing between or behind them (RFC 1952); `none` is the bytes as they are. */
  readonly BlobReader: new (
    fd: number,
    compression: 'gzip' | 'none',
    algorithm: 'sha256' | 'sha512',
  ) => BlobReader;
}
