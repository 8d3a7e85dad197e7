import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { refused } from '../../errors.js';

/** Where plugins say where they listen, as Docker looks for them. */
export interface PluginFolders {
  /** Default `/run/docker/plugins`. */
  readonly sockets?: string;
  /** Default `/etc/docker/plugins` and `/usr/lib/docker/plugins`. */
  readonly specs?: readonly string[];
}

/** The path of a plugin's Unix socket; `REFUSED` if it is not found, or listens elsewhere. */
export async function findSocket(isolator: string, driver: string, folders: PluginFolders = {}): Promise<string> {
  const sockets = folders.sockets ?? '/run/docker/plugins';
  for (const path of [join(sockets, `${driver}.sock`), join(sockets, driver, `${driver}.sock`)]) {
    if (await isSocket(path)) return path;
  }
  for (const folder of folders.specs ?? ['/etc/docker/plugins', '/usr/lib/docker/plugins']) {
    for (const kind of ['spec', 'json'] as const) {
      const path = join(folder, `${driver}.${kind}`);
      const text = await readFile(path, 'utf8').catch(() => undefined);
      if (text === undefined) continue;
      const address = kind === 'spec' ? text.trim() : addressOf(text);
      if (address.startsWith('unix://')) return address.slice('unix://'.length);
      throw refused(isolator, `${path} names ${address || 'no address'}`, 'use a plugin with a unix:// address');
    }
  }
  throw refused(
    isolator,
    `there is no plugin ${driver}`,
    `start it, so that it listens at ${join(sockets, `${driver}.sock`)}`,
    {
      details: { driver },
    },
  );
}

function addressOf(text: string): string {
  try {
    const { Addr: address } = JSON.parse(text) as { readonly Addr?: unknown };
    return typeof address === 'string' ? address : '';
  } catch {
    return '';
  }
}

async function isSocket(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isSocket() ?? false;
}
