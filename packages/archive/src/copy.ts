import { type CallOptions, GantryError } from '@gantry/interface';
import { memberFolder } from './namespace/start-worker.js';
import { runInThread } from './stream-thread.js';

/** The folder that is the root for every link. */
export type CopyRoot =
  /** By its path on the host, that of a descriptor, say. */
  | { readonly root: string }
  /**
   * What the process has as its root whose folder below /proc is open as this descriptor. The ids of the archive are those of its user
   * namespace, and what the root of that may do decides what can be copied.
   */
  | { readonly member: number };

/** Options of {@link copyIn}. */
export interface CopyInOptions extends Pick<CallOptions, 'signal'> {
  readonly tree: CopyRoot;
  /** Absolute, as seen from that root; a folder that is there. No `..` in it. */
  readonly folder: string;
  /** Uncompressed tar. */
  readonly archive: AsyncIterable<Uint8Array>;
}

/** Options of {@link copyOut}. */
export interface CopyOutOptions extends Pick<CallOptions, 'signal'> {
  readonly tree: CopyRoot;
  /** Absolute, as seen from that root. No `..` in it. A link at its end is copied itself. */
  readonly path: string;
}

/**
 * Unpacks an archive into a folder of a tree that others use meanwhile, a container's. Every path is resolved from the root,
 * so links lead where they lead there, and neither the archive nor who changes the tree can have anything outside touched. Owners,
 * modes, times, attributes and holes are the archive's; names that start with `.wh.` are names like others.
 *
 * An entry replaces a file or a link that is there, and an empty folder; a folder merges with one that is there. The folder
 * that is copied into stays as it is, whatever the archive says of it. After an error what was copied before it is there.
 * Works in a worker thread, with no more of the archive in memory than a few pieces.
 *
 * @throws `NOT_FOUND` if there is no such folder; `WRONG_STATE` for what is in the way and cannot be replaced (a folder with something
 * in it, a mount) or a path that leads over no folder; `UNSUPPORTED` for devices and without Linux; `INVALID_ARCHIVE`,
 * `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`, `PERMISSION_DENIED`, `ABORTED`, `SYSTEM`, or what the archive's source throws.
 */
export async function copyIn({ tree, folder, archive, signal }: CopyInOptions): Promise<void> {
  const job = { type: 'copy-in', root: pathOf(tree), folder: componentsOf(folder, 'folder').join('/') } as const;
  for await (const _ of run(job, `copying into ${folder}`, signal, archive, memberOf(tree)));
}

/**
 * Packs a file or tree out of a tree that others use meanwhile, uncompressed. Names begin with the last part of `path`, those of
 * `/` with `./`. Links are kept, and none is followed below the path; so are hard links, devices, attributes and large holes. Sockets are left out.
 *
 * @throws `NOT_FOUND` if there is nothing; `WRONG_STATE` for what changes while it is read; `UNSUPPORTED` without Linux;
 * `INVALID_ARGUMENT`, `LIMIT_EXCEEDED` for paths over 4095 bytes or 1024 folders, `PERMISSION_DENIED`, `ABORTED`, `SYSTEM`.
 */
export async function* copyOut({ tree, path, signal }: CopyOutOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const components = componentsOf(path, 'path');
  const name = components.pop() ?? '';
  const job = { type: 'copy-out', root: pathOf(tree), folder: components.join('/'), name } as const;
  yield* run(job, `copying ${path}`, signal, undefined, memberOf(tree));
}

function pathOf(tree: CopyRoot): string {
  return 'root' in tree ? tree.root : `${memberFolder}/root/.`;
}

function memberOf(tree: CopyRoot): number | undefined {
  return 'root' in tree ? undefined : tree.member;
}

function run(...args: Parameters<typeof runInThread>): AsyncGenerator<Uint8Array, void, undefined> {
  if (process.platform === 'linux') return runInThread(...args);
  throw new GantryError('UNSUPPORTED', `${args[1]} needs Linux; this is ${process.platform}`);
}

/** What a `..` leads to depends on links that may change meanwhile. */
function componentsOf(path: string, field: string): string[] {
  const components = path.split('/').filter((component) => component !== '' && component !== '.');
  if (path.startsWith('/') && !path.includes('\0') && !components.includes('..')) return components;
  throw new GantryError('INVALID_ARGUMENT', `${field}: ${JSON.stringify(path)} is not an absolute path without '..'`, {
    details: { field },
  });
}
