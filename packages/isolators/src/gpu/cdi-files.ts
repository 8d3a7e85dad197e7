import { constants } from 'node:fs';
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
  return async () => {
    const read = await Promise.all(folders.map(readFolder));
    return {
      sources: [...read.flatMap(({ sources }) => sources), ...given],
      faults: read.flatMap(({ faults }) => faults),
    };
  };
}

/** A file that is malformed is no obstacle for those who ask for the devices of others. */
async function readFolder(folder: string, priority: number): Promise<CdiSources> {
  const sources: CdiSource[] = [];
  const faults: Error[] = [];
  for (const file of await filesIn(folder, faults)) {
    try {
      sources.push({ file, priority, spec: parseCdiText(await readText(file), file) });
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

async function readText(file: string): Promise<string> {
  // A named pipe would else be waited for.
  await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  const stats = await handle.stat();
  if (!stats.isFile())
    throw new GantryError('INVALID_DOCUMENT', `${file}: is no file`, { details: { file, path: '' } });
  if (stats.size > maxBytes) {
    throw new GantryError('LIMIT_EXCEEDED', `${file}: has ${stats.size} bytes, of which ${maxBytes} are read at most`, {
      details: { file },
    });
  }
  return await handle.readFile('utf8');
}
