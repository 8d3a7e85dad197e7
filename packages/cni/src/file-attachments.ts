import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf, GantryError, toGantryError } from '@gantry/interface';
import type { Attachment, AttachmentCache, AttachmentKey } from './attachments.js';
import { flush, replaceFile } from './durable.js';
import { isObject } from './json.js';
import { formatNetworkConfigList, parseNetworkConfigList } from './network-config.js';
import type { Result } from './result.js';
import { formatResult, parseResult } from './result-versions.js';
import { checkRuntimeConf, type RuntimeConf } from './runtime-conf.js';
import { currentVersion } from './versions.js';

const recordVersion = 1;

type Kind = 'attachment' | 'result';

/**
 * Attachments in files: a folder a container, in it `attachment.<interface>`, flushed to the disk before `save` resolves, and
 * `result.<interface>`, which holds against the end of the process: what a power cut takes from it, it has taken from the container,
 * and a DEL without it is as good. A torn record was not flushed, so that nothing was added by it: it counts as none.
 */
export class FileAttachments implements AttachmentCache {
  readonly #folder: string;
  /** What is being written or was, by the path, so that it is written once. */
  readonly #saved = new Map<string, { readonly text: string; readonly done: Promise<void> }>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  async save({ conf, list }: Attachment): Promise<void> {
    checkRuntimeConf(conf);
    const path = this.#path(conf, 'attachment');
    const record = { version: recordVersion, conf, list: JSON.parse(formatNetworkConfigList(list)) as unknown };
    const text = JSON.stringify(record);
    const saved = this.#saved.get(path);
    if (saved?.text === text) return saved.done;
    rmSync(this.#path(conf, 'result'), { force: true });
    const done = this.#write(path, text);
    this.#saved.set(path, { text, done });
    try {
      await done;
    } catch (error) {
      this.#saved.delete(path);
      throw toGantryError(error, `writing the attachment record ${path}`);
    }
  }

  async saveResult({ conf, result }: Attachment & { readonly result: Result }): Promise<void> {
    const path = this.#path(conf, 'result');
    try {
      replaceFile(path, JSON.stringify(formatResult(result, currentVersion)));
    } catch (error) {
      throw toGantryError(error, `writing the result of an attachment, ${path}`);
    }
  }

  async load(key: AttachmentKey): Promise<Attachment | undefined> {
    const path = this.#path(key, 'attachment');
    const text = read(path);
    if (text === undefined) return undefined;
    const record = parseRecord(text, path);
    if (!record) return undefined;
    const result = this.#result(key);
    return { ...record, ...(result ? { result } : {}) };
  }

  async remove(key: AttachmentKey): Promise<void> {
    try {
      this.#saved.delete(this.#path(key, 'attachment'));
      for (const kind of ['result', 'attachment'] as const) rmSync(this.#path(key, kind), { force: true });
    } catch (error) {
      throw toGantryError(error, `removing the attachment record of ${key.ifName} of ${key.containerID}`);
    }
  }

  async list(containerID?: string): Promise<readonly Attachment[]> {
    const ids = containerID === undefined ? names(this.#folder) : [containerID];
    const found: Attachment[] = [];
    for (const id of ids) {
      for (const name of names(join(this.#folder, id))) {
        const ifName = name.startsWith('attachment.') ? name.slice('attachment.'.length) : undefined;
        const attachment = ifName === undefined ? undefined : await this.load({ containerID: id, ifName });
        if (attachment) found.push(attachment);
      }
    }
    return found;
  }

  /** In the end all of it is on the disk, and what leads to it. */
  async #write(path: string, text: string): Promise<void> {
    const folder = dirname(path);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    replaceFile(path, text);
    await Promise.all([path, folder, this.#folder].map(flush));
  }

  #path({ containerID, ifName }: AttachmentKey, kind: Kind): string {
    return join(this.#folder, containerID, `${kind}.${ifName}`);
  }

  /** A torn one counts as none. */
  #result(key: AttachmentKey): Result | undefined {
    const text = read(this.#path(key, 'result'));
    try {
      return text === undefined ? undefined : parseResult(JSON.parse(text));
    } catch {
      return undefined;
    }
  }
}

/** Undefined for a torn one; `CORRUPT_STATE` for one that is whole, and none of ours. */
function parseRecord(text: string, path: string): Attachment | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(value) || value['version'] !== recordVersion || !isObject(value['conf'])) {
    throw corrupt(path, `it is not a record of version ${recordVersion}`);
  }
  try {
    const conf = value['conf'] as unknown as RuntimeConf;
    checkRuntimeConf(conf);
    return { conf, list: parseNetworkConfigList(JSON.stringify(value['list']), path) };
  } catch (cause) {
    throw corrupt(path, 'its configuration cannot be read', cause);
  }
}

function corrupt(path: string, why: string, cause?: unknown): GantryError {
  return new GantryError('CORRUPT_STATE', `${path}: ${why}`, { cause, details: { path } });
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw toGantryError(error, `reading ${path}`);
  }
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw toGantryError(error, `reading ${folder}`);
  }
}
