import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { errnoOf, GantryError, toGantryError } from '@gantry/interface';
import { isObject } from '../json.js';
import type { NetworkConfigList } from '../network-config.js';

const defaultFolder = '/var/lib/cni/networks';

/** Where the address plugin host-local keeps the leases of a network: a folder each for plugins that use it. */
export function leaseFolders({ name, plugins }: NetworkConfigList): readonly string[] {
  const folders = plugins
    .map(({ raw }) => raw['ipam'])
    .filter(isObject)
    .filter((ipam) => ipam['type'] === 'host-local')
    .map((ipam) =>
      join(typeof ipam['dataDir'] === 'string' && ipam['dataDir'] !== '' ? ipam['dataDir'] : defaultFolder, name),
    );
  return [...new Set(folders)];
}

/**
 * Removes leases of a network that belong to nobody: those that are empty, whose plugin was killed between making and writing
 * one, which the plugin itself never finds again; and those of containers of which `isStale` says so. Under the plugin's own lock.
 */
export async function sweepLeases(
  list: NetworkConfigList,
  isStale: (containerID: string) => boolean,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const folder of leaseFolders(list)) {
    // Looked at without the lock first: as a rule there is nothing to remove.
    if (staleIn(folder, isStale).length === 0) continue;
    await using _ = await lock(join(folder, 'lock'));
    for (const file of staleIn(folder, isStale)) {
      rmSync(file, { force: true });
      removed.push(file);
    }
  }
  return removed;
}

/** A lease is a file that is called as its address, with the container's id on the first line and the interface on the second. */
function staleIn(folder: string, isStale: (containerID: string) => boolean): readonly string[] {
  return entries(folder)
    .filter((name) => isIP(name) !== 0)
    .map((name) => join(folder, name))
    .filter((file) => {
      const content = read(file);
      if (content === undefined) return false;
      const [id = ''] = content.split(/\r?\n/);
      return id === '' || isStale(id);
    });
}

/** Holds a lock as flock(1) does, which is as host-local does. */
async function lock(file: string): Promise<AsyncDisposable> {
  if (!existsSync(file)) return { [Symbol.asyncDispose]: async () => undefined };
  const child = spawn('flock', ['--timeout', '30', file, 'sh', '-c', 'echo held; exec cat'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (error) => reject(toGantryError(error, `locking ${file} with flock(1), of util-linux`)));
    child.on('close', () => resolve());
  });
  // One that could not be started has no streams where Node.js is out of descriptors.
  if (child.pid === undefined) await ended;
  child.stdin.on('error', () => undefined);
  const held = once(child.stdout, 'data').then(
    () => true,
    () => false,
  );
  const isHeld = await Promise.race([held, ended.then(() => false)]);
  if (!isHeld)
    throw new GantryError('TIMEOUT', `${file}: another program has held this lock for 30 s`, {
      details: { path: file },
    });
  return {
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}

function entries(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw toGantryError(error, `reading the leases in ${folder}`);
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw toGantryError(error, `reading the lease ${file}`);
  }
}
