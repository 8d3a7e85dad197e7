import type { Digest } from '@gantry/interface';

/** Where a registry keeps bytes, by digest. */
export interface Content {
  /** Undefined if absent. */
  size(digest: Digest): Promise<number | undefined>;
  /** Streams the bytes from `start` up to, not including, `end`. */
  read(digest: Digest, start: number, end: number): AsyncIterable<Uint8Array>;
  begin(): Promise<ContentWriter>;
}

/** Bytes that are coming in. */
export interface ContentWriter {
  /** Bytes so far. */
  readonly size: number;
  write(chunk: Uint8Array): Promise<void>;
  /** Keeps the bytes under the digest if they have it; else forgets them and resolves false. */
  commit(digest: Digest): Promise<boolean>;
  discard(): Promise<void>;
}
