import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/**
 * Starts Debian's docker-registry (package docker-registry) on a free port of the loopback interface.
 * @param {string} content The folder of what it holds.
 * @param {string} [logins] Who may use it, lines of htpasswd(1) with bcrypt. Default: everybody.
 */
export async function serveRegistry(content, logins) {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-registry-'));
  const config = join(folder, 'config.json');
  // JSON is YAML.
  const passwords = join(folder, 'htpasswd');
  if (logins !== undefined) await writeFile(passwords, logins, { mode: 0o600 });
  const auth = logins === undefined ? {} : { auth: { htpasswd: { realm: 'tests', path: passwords } } };
  await writeFile(config, JSON.stringify({ ...configuration(content), ...auth }));
  // It ends with this process, also when that is killed.
  const command = ['--pdeathsig', 'KILL', 'docker-registry', 'serve', config];
  const server = spawn('setpriv', command, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(server, 'exit');
  /** @type {string[]} */
  const lines = [];
  try {
    for await (const line of createInterface({ input: server.stderr })) {
      lines.push(line);
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (address === undefined || server.pid === undefined) continue;
      // Nobody reads what it says from now on, and a full pipe would stop it.
      server.stderr.resume();
      return {
        address,
        pid: server.pid,
        async [Symbol.asyncDispose]() {
          server.kill('SIGTERM');
          await ended;
          await rm(folder, { recursive: true, force: true });
        },
      };
    }
    await ended;
    throw new Error(`docker-registry ended before it listened:\n${lines.join('\n')}`);
  } catch (error) {
    server.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** @param {string} rootdirectory */
const configuration = (rootdirectory) => ({
  version: '0.1',
  log: { level: 'info', accesslog: { disabled: true } },
  storage: { filesystem: { rootdirectory }, delete: { enabled: true } },
  // Also what the first registries held.
  compatibility: { schema1: { enabled: true } },
  http: { addr: '127.0.0.1:0', host: '', secret: 'tests' },
});
