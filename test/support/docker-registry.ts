import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { temporaryFolder } from './temporary-folder.js';

export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly pid: number;
}

/** Starts Debian's docker-registry (package docker-registry) on a free port of the loopback interface. */
export async function dockerRegistry(): Promise<DockerRegistry> {
  const folder = await temporaryFolder();
  const config = join(folder.path, 'config.json');
  await mkdir(join(folder.path, 'content'));
  // JSON is YAML.
  await writeFile(config, JSON.stringify(configuration(join(folder.path, 'content'))));
  const registry = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(registry, 'exit');
  const lines: string[] = [];
  try {
    for await (const line of createInterface({ input: registry.stderr })) {
      lines.push(line);
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (address === undefined || registry.pid === undefined) continue;
      // Nobody reads what it says from now on, and a full pipe would stop it.
      registry.stderr.resume();
      return {
        address,
        pid: registry.pid,
        async [Symbol.asyncDispose]() {
          registry.kill('SIGTERM');
          await ended;
          await folder[Symbol.asyncDispose]();
        },
      };
    }
    await ended;
    throw new Error(`docker-registry ended before it listened:\n${lines.join('\n')}`);
  } catch (error) {
    registry.kill('SIGKILL');
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}

function configuration(rootdirectory: string): unknown {
  return {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0', host: '', secret: 'tests' },
  };
}
