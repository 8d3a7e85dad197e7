import { mkdir } from 'node:fs/promises';
import { isOrdinary } from '@gantry/archive';
import {
  type CallOptions,
  type DirectoryRootfs,
  errnoOf,
  GantryError,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { addon } from '@gantry/native';
import type { Backend } from './backend.js';
import type { ContainerFolder } from './container-folder.js';
import { runInNamespace } from './namespace-job.js';
import { opaqueAttribute } from './opaque.js';
import { Turns } from './turns.js';

/** Each copy holds a thread of libuv's pool for milliseconds at a time; the host program's own calls need some, too. */
const turns = new Turns(2);

/** What to do about an entry that cannot be copied, by the system call and errno that said so. */
const remedies: ReadonlyMap<string, string> = new Map([
  ['mknodat EPERM', 'the image holds a device node, and making one needs root outside any user namespace'],
  ['fsetxattr EOPNOTSUPP', "the file system of the provisioner's folder cannot hold extended attributes"],
  ['setxattr EOPNOTSUPP', "the file system of the provisioner's folder cannot hold extended attributes"],
  ['fchown EINVAL', 'its owner is not mapped in this user namespace'],
  ['fchownat EINVAL', 'its owner is not mapped in this user namespace'],
]);

/** A copy of the stacked layers in a folder of the container's own; blocks are shared where the file system can. */
export class CopyBackend implements Backend {
  readonly name = 'copy';
  readonly #userxattr: boolean;

  constructor(userxattr: boolean) {
    this.#userxattr = userxattr;
  }

  describe(_layers: readonly string[], { copy }: ContainerFolder): DirectoryRootfs {
    return { type: 'directory', source: copy };
  }

  async provision(layers: readonly string[], container: ContainerFolder, options: CallOptions): Promise<void> {
    const { signal, onProgress } = options;
    await mkdir(container.copy, { mode: 0o700 });
    if (isOrdinary()) return this.#copyInNamespace(layers, container.copy, options);
    const copy = new (addon().TreeCopy)(layers, container.copy, opaqueAttribute(this.#userxattr));
    const what = `copy of the layers to ${container.copy}`;
    const work = async () => {
      for (;;) {
        throwIfAborted(signal, what);
        const { done, entries, bytes } = await copy.step();
        onProgress?.({ type: 'copying', entries, bytes });
        if (done) return;
      }
    };
    try {
      await turns.run(work, signal, what);
    } catch (error) {
      throw explain(error, what);
    }
  }

  async #copyInNamespace(layers: readonly string[], to: string, { signal, onProgress }: CallOptions): Promise<void> {
    const what = `copy of the layers to ${to}`;
    const work = () =>
      runInNamespace({ type: 'copy', layers, to }, what, signal, (told) => {
        if (told.type === 'copied') onProgress?.({ type: 'copying', entries: told.entries, bytes: told.bytes });
      });
    try {
      await turns.run(work, signal, what);
    } catch (error) {
      throw explain(error, what);
    }
  }
}

function explain(error: unknown, what: string): GantryError {
  const errno = errnoOf(error);
  const plain = toGantryError(error, what);
  const remedy = errno && remedies.get(`${String(plain.details['syscall'])} ${errno}`);
  if (!remedy) return plain;
  return new GantryError(plain.code, `${plain.message}: ${remedy}`, { cause: error, details: plain.details });
}
