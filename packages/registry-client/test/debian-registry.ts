import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Of the Debian package docker-registry. */
export const program = '/usr/bin/docker-registry';

export interface DebianRegistry {
  readonly host: string;
  stop(): Promise<void>;
}

/** On a free port of this host, with a folder of its own; open, or with what `auth` says in its configuration. */
export async function startDebianRegistry(auth?: (folder: string) => object): Promise<DebianRegistry> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-registry-'));
  const config = {
    version: '0.1',
    log: { level: 'info' },
    storage: { filesystem: { rootdirectory: folder }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0' },
    ...(auth && { auth: auth(folder) }),
  };
  await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
  const registry = spawn(program, ['serve', join(folder, 'config.yml')], { stdio: ['ignore', 'ignore', 'pipe'] });
  const host = await listeningAt(registry);
  const stop = async () => {
    const exit = once(registry, 'exit');
    registry.kill();
    await exit;
    await rm(folder, { recursive: true });
  };
  return { host, stop };
}

/** The address in the line that the registry logs once it listens. */
async function listeningAt(registry: ChildProcess): Promise<string> {
  if (!registry.stderr) throw new Error('the registry has no stderr');
  for await (const line of createInterface({ input: registry.stderr })) {
    const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (address) {
      registry.stderr.resume();
      return address;
    }
  }
  throw new Error('the registry ended before it listened');
}
