import { type BigIntStats, constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, GantryError, toGantryError } from '@gantry/interface';
import { parseCdiSpec, parseCdiText } from './cdi-parser.js';
import type { CdiSource, CdiSources } from './cdi-registry.js';
import type { CdiSpec } from './cdi-spec.js';

/** Where specifications of CDI devices come from. */
export interface CdiOptions {
  /** Folders with `.json` and `.yaml` files, the strongest last. Default `/etc/cdi`, `/var/run/cdi`. */
  readonly folders?: readonly string[];
  /** Stronger than those of all folders. */
  readonly specs?: readonly CdiSpec[];
}

export const defaultCdiFolders: readonly string[] = ['/etc/cdi', '/var/run/cdi'];

const maxBytes = 4 * 2 ** 20;

/** What gives the specifications as they are at the moment. `INVALID_DOCUMENT` for a malformed one among those that are given here. */
export function cdiReader({ folders = defaultCdiFolders, specs = [] }: CdiOptions): () => Promise<CdiSources> {
  const given = specs.map((spec, index): CdiSource => {
    const file = `cdi.specs[${index}]`;
    return { file, priority: folders.length, spec: parseCdiSpec(spec, file) };
  });
  let parsed: ParsedFiles = new Map();
  return async () => {
    const now: ParsedFiles = new Map();
    const read = await Promise.all(folders.map((folder, priority) => readFolder(folder, priority, parsed, now)));
    parsed = now;
    return {
      sources: [...read.flatMap(({ sources }) => sources), ...given],
      faults: read.flatMap(({ faults }) => faults),
    };
  };
}

/** What files came to, by their paths: to parse one again takes longer than anything else of a launch. */
type ParsedFiles = Map<string, { readonly identity: string; readonly spec: CdiSpec }>;

/** A file that is malformed is no obstacle for those who ask for the devices of others. */
async function readFolder(
  folder: string,
  priority: number,
  before: ParsedFiles,
  now: ParsedFiles,
): Promise<CdiSources> {
  const sources: CdiSource[] = [];
  const faults: Error[] = [];
  for (const file of await filesIn(folder, faults)) {
    try {
      sources.push({ file, priority, spec: await specIn(file, before, now) });
    } catch (error) {
      faults.push(toGantryError(error, `reading ${file}`));
    }
  }
  return { sources, faults };
}

async function filesIn(folder: string, faults: Error[]): Promise<string[]> {
  try {
    const names = await readdir(folder);
    const wanted = names.filter((name) => /^[^.].*\.(json|yaml)$/.test(name));
    return wanted.sort().map((name) => join(folder, name));
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') faults.push(toGantryError(error, `listing ${folder}`));
    return [];
  }
}

async function specIn(file: string, before: ParsedFiles, now: ParsedFiles): Promise<CdiSpec> {
  // A named pipe would else be waited for.
  await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  const stats = await handle.stat({ bigint: true });
  if (!stats.isFile())
    throw new GantryError('INVALID_DOCUMENT', `${file}: is no file`, { details: { file, path: '' } });
  if (stats.size > maxBytes) {
    throw new GantryError('LIMIT_EXCEEDED', `${file}: has ${stats.size} bytes, of which ${maxBytes} are read at most`, {
      details: { file },
    });
  }
  const identity = identityOf(stats);
  const known = before.get(file);
  const spec = known?.identity === identity ? known.spec : parseCdiText(await handle.readFile('utf8'), file);
  // Another change so soon after the last could have the same time.
  if (Date.now() - Number(stats.ctimeMs) > settledMs) now.set(file, { identity, spec });
  return spec;
}

/** Longer than the kernel's clock for files stands still. */
const settledMs = 1000;

/** Of a file as it is at the moment: every change of it changes the last. */
function identityOf({ dev, ino, size, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, ctimeNs].join();
}
