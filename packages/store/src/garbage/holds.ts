import { appendFile, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDigest } from '@gantry/image-spec';
import { type Digest, errnoOf } from '@gantry/interface';
import { inFolders } from '../durable.js';
import { namesIn } from '../folder-names.js';
import type { StoreFolders } from '../folders.js';
import { ownedName, sweepAbandoned } from '../owned-name.js';
import type { CollectorNotices } from './collector-notices.js';

/** What garbage collection has to leave alone. */
export interface Claims {
  /** Canonical references; what they lead to is claimed with them. */
  readonly references?: Iterable<string>;
  readonly blobs?: Iterable<Digest>;
  /** Chain ids of unpacked layers. */
  readonly layers?: Iterable<Digest>;
}

/** The claims of all processes together. */
export interface AllClaims {
  readonly references: ReadonlySet<string>;
  readonly blobs: ReadonlySet<Digest>;
  readonly layers: ReadonlySet<Digest>;
}

/** Keeps what a call in progress needs, until it is released or its process ends. */
export class Hold {
  readonly #path: string;
  readonly #notices: CollectorNotices;
  readonly #what: string;
  readonly #signal: AbortSignal | undefined;

  constructor(path: string, notices: CollectorNotices, what: string, signal: AbortSignal | undefined) {
    this.#path = path;
    this.#notices = notices;
    this.#what = what;
    this.#signal = signal;
  }

  /** Adds to what is kept. Whatever of it is there once this has resolved stays there. */
  async cover({ references = [], blobs = [], layers = [] }: Claims): Promise<void> {
    const lines = [
      ...Array.from(references, (reference) => `reference ${reference}\n`),
      ...Array.from(blobs, (digest) => `blob ${digest}\n`),
      ...Array.from(layers, (chainId) => `layer ${chainId}\n`),
    ];
    if (lines.length === 0) return;
    await inFolders([dirname(this.#path)], () => appendFile(this.#path, lines.join(''), { mode: 0o600 }));
    await this.#notices.passed(this.#what, this.#signal);
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

/** One file a hold, named by its owner, so that a hold ends with the process that has it. Nothing of it is flushed to disk. */
export class Holds {
  readonly #folder: string;
  readonly #notices: CollectorNotices;

  constructor({ holds }: StoreFolders, notices: CollectorNotices) {
    this.#folder = holds;
    this.#notices = notices;
  }

  /** Takes a hold; `claims` are covered when it resolves. `what` and `signal` are those of the call it is for. */
  async take(claims: Claims, what: string, signal?: AbortSignal): Promise<Hold> {
    const hold = new Hold(join(this.#folder, await ownedName()), this.#notices, what, signal);
    try {
      await hold.cover(claims);
      return hold;
    } catch (error) {
      await hold.release();
      throw error;
    }
  }

  /** Everything that living processes hold. For a collector whose notice is up. */
  async read(): Promise<AllClaims> {
    const claims = { references: new Set<string>(), blobs: new Set<Digest>(), layers: new Set<Digest>() };
    await sweepAbandoned(this.#folder, (path) => rm(path, { force: true }));
    for (const name of await namesIn(this.#folder)) {
      for (const line of await readLines(join(this.#folder, name))) addLine(claims, line);
    }
    return claims;
  }
}

function addLine(
  claims: { references: Set<string>; blobs: Set<Digest>; layers: Set<Digest> },
  [kind, name]: readonly [string, string],
): void {
  if (kind === 'reference') claims.references.add(name);
  else if (isDigest(name)) (kind === 'blob' ? claims.blobs : claims.layers).add(name);
}

/** Lines that are complete: one that is not is being written, and its writer will see the notice. */
async function readLines(path: string): Promise<readonly (readonly [string, string])[]> {
  try {
    const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
    return lines.map((line) => {
      const space = line.indexOf(' ');
      return [line.slice(0, space), line.slice(space + 1)];
    });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
