import { overBudget, type UnpackBudget } from './budget.js';
import { invalidArchive } from './errors.js';
import { Extensions, isExtension } from './extensions.js';
import type { PaxSparse } from './pax.js';
import type { Segment, SparseMap } from './sparse.js';
import { BodySparseMap, checkSegments, OldSparseMap, pairSegments, readPaxSparse } from './sparse.js';
import type { TarHeader } from './tar-entry.js';
import { blockSize, isZeroBlock, type RawHeader, readHeader } from './tar-header.js';

/** What a {@link TarParser} calls, in this order for each entry. A header's names last; a piece of data is a view of the chunk being parsed. */
export interface TarSink {
  entry(header: TarHeader): void;
  /** A piece of the body and its offset in the file; pieces come in order, what is between them is a hole. */
  data(piece: Buffer, offset: number): void;
  end(): void;
}

/**
 * A push parser for tar archives nobody vouches for: ustar, GNU and PAX. It keeps no more than one extended header of
 * each kind in memory, and refuses with `INVALID_ARCHIVE` whatever readers are known to understand in different ways.
 */
export class TarParser {
  readonly #sink: TarSink;
  readonly #budget: UnpackBudget;
  #state: 'header' | 'extension' | 'sparse-map' | 'body' | 'padding' | 'ended' = 'header';
  #archiveBytes = 0;
  #fileBytes = 0;
  #entries = 0;

  /** The present block; never used again, since the names of its entry are views of it. */
  #block = Buffer.allocUnsafe(blockSize);
  #blockFill = 0;

  readonly #extensions = new Extensions();
  #extensionFlag = '';
  #extensionBody = Buffer.alloc(0);
  #extensionFill = 0;

  /** A sparse file whose map is not complete. */
  #sparse: { readonly header: TarHeader; readonly realSize: number; readonly map: SparseMap } | undefined;

  #entryName: Buffer | undefined;
  #segments: readonly Segment[] = [];
  #segment = 0;
  /** Bytes of the present segment that are done. */
  #segmentDone = 0;
  /** Stored bytes of the body that are still to come. */
  #bodyLeft = 0;
  #paddingLeft = 0;

  constructor(sink: TarSink, budget: UnpackBudget) {
    this.#sink = sink;
    this.#budget = budget;
  }

  /** Parses the next bytes of the archive. Throws `INVALID_ARCHIVE` or `LIMIT_EXCEEDED`, or whatever the sink throws. */
  write(bytes: Uint8Array): void {
    this.#archiveBytes += bytes.length;
    if (this.#archiveBytes > this.#budget.bytes) throw overBudget('bytes', this.#budget.bytes, 'the archive');
    const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    while (at < chunk.length && this.#state !== 'ended') at = this.#step(chunk, at);
  }

  /** To be called when no more bytes come. An archive may end after an entry without an end mark, but nowhere else. */
  finish(): void {
    const isBetween = this.#state === 'header' && this.#blockFill === 0 && this.#extensions.isEmpty;
    if (!isBetween && this.#state !== 'ended') throw invalidArchive('the archive is cut short', this.#entryName);
  }

  /** Returns where to go on in the chunk. */
  #step(chunk: Buffer, at: number): number {
    switch (this.#state) {
      case 'extension':
        return this.#readExtension(chunk, at);
      case 'body':
        return this.#readBody(chunk, at);
      case 'padding': {
        const size = Math.min(this.#paddingLeft, chunk.length - at);
        this.#paddingLeft -= size;
        if (this.#paddingLeft === 0) this.#state = 'header';
        return at + size;
      }
      default:
        return this.#readBlock(chunk, at);
    }
  }

  #readBlock(chunk: Buffer, at: number): number {
    const block = this.#block;
    const copied = chunk.copy(block, this.#blockFill, at);
    this.#blockFill += copied;
    if (this.#blockFill === blockSize) {
      this.#blockFill = 0;
      this.#block = Buffer.allocUnsafe(blockSize);
      this.#takeBlock(block);
    }
    return at + copied;
  }

  #takeBlock(block: Buffer): void {
    if (this.#sparse) {
      this.#takeMapBlock(block, this.#sparse.map);
    } else if (block[0] === 0 && isZeroBlock(block)) {
      if (!this.#extensions.isEmpty) throw invalidArchive('an extended header without its entry');
      this.#state = 'ended';
    } else {
      const raw = readHeader(block);
      const flag = String.fromCharCode(raw.typeFlag);
      this.#paddingLeft = (blockSize - (raw.size % blockSize)) % blockSize;
      if (isExtension(flag)) this.#startExtension(flag, raw.size);
      else this.#startEntry(block, raw, flag);
    }
  }

  #startExtension(flag: string, size: number): void {
    const { headerBytes } = this.#budget;
    if (size > headerBytes) throw overBudget('headerBytes', headerBytes, `an extended header of ${size} bytes`);
    this.#extensionFlag = flag;
    this.#extensionBody = Buffer.allocUnsafe(size);
    this.#extensionFill = 0;
    this.#state = 'extension';
    if (size === 0) this.#endExtension();
  }

  #readExtension(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#extensionBody, this.#extensionFill, at);
    this.#extensionFill += copied;
    if (this.#extensionFill === this.#extensionBody.length) this.#endExtension();
    return at + copied;
  }

  #endExtension(): void {
    this.#extensions.add(this.#extensionFlag, this.#extensionBody);
    this.#skipPadding();
  }

  #startEntry(block: Buffer, raw: RawHeader, flag: string): void {
    this.#entries++;
    if (this.#entries > this.#budget.entries) throw overBudget('entries', this.#budget.entries, 'the count of entries');
    const { header, sparse } = this.#extensions.apply(block, raw, flag);
    this.#bodyLeft = header.size;
    this.#paddingLeft = (blockSize - (header.size % blockSize)) % blockSize;
    if (flag === 'S') {
      const map = new OldSparseMap(block, header.name, this.#budget.headerBytes);
      this.#startMap(header, map.realSize, map);
    } else if (sparse) {
      this.#startPaxSparse(header, sparse);
    } else {
      this.#startBody(header, [{ offset: 0, length: header.size }]);
    }
  }

  #startPaxSparse(header: TarHeader, sparse: PaxSparse): void {
    const { realSize, mapInBody } = readPaxSparse(sparse, header.name);
    if (mapInBody) this.#startMap(header, realSize, new BodySparseMap(header.name, this.#budget.headerBytes));
    else this.#startSparseBody(header, realSize, pairSegments(sparse.map, header.name));
  }

  #startMap(header: TarHeader, realSize: number, map: SparseMap): void {
    if (map.isComplete) {
      this.#startSparseBody(header, realSize, map.segments());
      return;
    }
    this.#entryName = header.name;
    this.#sparse = { header, realSize, map };
    this.#state = 'sparse-map';
    this.#checkMapFits(map);
  }

  #takeMapBlock(block: Buffer, map: SparseMap): void {
    map.addBlock(block);
    if (map.inBody) this.#bodyLeft -= blockSize;
    if (!map.isComplete || this.#bodyLeft < 0) {
      this.#checkMapFits(map);
      return;
    }
    const sparse = this.#sparse;
    this.#sparse = undefined;
    if (sparse) this.#startSparseBody(sparse.header, sparse.realSize, map.segments());
  }

  #checkMapFits(map: SparseMap): void {
    if (map.inBody && this.#bodyLeft <= 0) throw invalidArchive('the sparse map is cut short', this.#entryName);
  }

  #startSparseBody(header: TarHeader, realSize: number, segments: readonly Segment[]): void {
    checkSegments(segments, realSize, this.#bodyLeft, header.name);
    this.#startBody({ ...header, size: realSize }, segments);
  }

  #startBody(header: TarHeader, segments: readonly Segment[]): void {
    this.#fileBytes += header.size;
    if (this.#fileBytes > this.#budget.bytes) throw overBudget('bytes', this.#budget.bytes, 'the size of its files');
    this.#entryName = header.name;
    this.#segments = segments;
    this.#segment = 0;
    this.#segmentDone = 0;
    this.#state = 'body';
    this.#sink.entry(header);
    if (this.#bodyLeft === 0) this.#endBody();
  }

  #readBody(chunk: Buffer, at: number): number {
    const segment = this.#segments[this.#segment];
    if (!segment) throw invalidArchive('a body longer than its sparse map', this.#entryName);
    const size = Math.min(segment.length - this.#segmentDone, chunk.length - at);
    if (size > 0) this.#sink.data(chunk.subarray(at, at + size), segment.offset + this.#segmentDone);
    this.#segmentDone += size;
    this.#bodyLeft -= size;
    if (this.#segmentDone === segment.length) {
      this.#segment++;
      this.#segmentDone = 0;
    }
    if (this.#bodyLeft === 0) this.#endBody();
    return at + size;
  }

  #endBody(): void {
    this.#sink.end();
    this.#entryName = undefined;
    this.#skipPadding();
  }

  #skipPadding(): void {
    this.#state = this.#paddingLeft > 0 ? 'padding' : 'header';
  }
}
