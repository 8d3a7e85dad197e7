// A Docker volume plugin: its volumes are tmpfs file systems below a folder. It counts who has them mounted, by their ids, and is strict: what
// is mounted twice by one id, or unmounted by one that has not mounted it, is an error. Arguments: socket, folder, log of the calls; a file `hang`
// or `die` in the folder has the next call of that name hang, or the program die after it is done but not answered.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const [socket, folder, log] = /** @type {[string, string, string]} */ (process.argv.slice(2));
/** @typedef {{ Name: string, ID: string, Opts?: { refuse?: string, size?: string } }} Input */

/** @param {string} name */
const pathOf = (name) => join(folder, 'volumes', name);
/** @param {string} name */
const usersOf = (name) => join(folder, 'users', name);
/** @param {string} name */
const users = (name) => (existsSync(usersOf(name)) ? readdirSync(usersOf(name)) : []);
/** @param {string} name */
const isMounted = (name) => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${pathOf(name)} `);
/** @param {string} name */
const described = (name) => ({ Name: name, Mountpoint: isMounted(name) ? pathOf(name) : '', Status: {} });

/** @type {Record<string, (input: Input) => object>} */
const calls = {
  'Plugin.Activate': () => ({ Implements: ['VolumeDriver'] }),
  'VolumeDriver.Capabilities': () => ({ Capabilities: { Scope: 'local' } }),
  'VolumeDriver.Create': ({ Name, Opts }) => {
    if (Opts?.refuse) throw new Error('refused as asked');
    mkdirSync(pathOf(Name), { recursive: true });
    if (Opts?.size) writeFileSync(join(folder, `${Name}.size`), Opts.size);
    return {};
  },
  'VolumeDriver.Get': ({ Name }) => {
    if (!existsSync(pathOf(Name))) throw new Error(`no volume ${Name}`);
    return { Volume: described(Name) };
  },
  'VolumeDriver.List': () => ({ Volumes: readdirSync(join(folder, 'volumes')).map(described) }),
  'VolumeDriver.Path': ({ Name }) => ({ Mountpoint: described(Name).Mountpoint }),
  'VolumeDriver.Mount': ({ Name, ID }) => {
    if (!existsSync(pathOf(Name))) throw new Error(`no volume ${Name}`);
    if (users(Name).includes(ID)) throw new Error(`${ID} has it mounted`);
    if (users(Name).length === 0) {
      const size = existsSync(join(folder, `${Name}.size`)) ? readFileSync(join(folder, `${Name}.size`), 'utf8') : '1m';
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'volume', pathOf(Name)]);
    }
    mkdirSync(join(usersOf(Name), ID), { recursive: true });
    return { Mountpoint: pathOf(Name) };
  },
  'VolumeDriver.Unmount': ({ Name, ID }) => {
    if (!users(Name).includes(ID)) throw new Error(`${ID} has not mounted ${Name}`);
    rmdirSync(join(usersOf(Name), ID));
    if (users(Name).length === 0) execFileSync('umount', [pathOf(Name)]);
    return {};
  },
  'VolumeDriver.Remove': ({ Name }) => {
    if (users(Name).length > 0) throw new Error(`${Name} is mounted`);
    rmdirSync(pathOf(Name));
    return {};
  },
};

/**
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function serve(request, response) {
  let body = '';
  for await (const chunk of request) body += chunk;
  const method = (request.url ?? '').slice(1);
  const input = JSON.parse(body || '{}');
  appendFileSync(log, `${method} ${input.Name ?? ''} ${input.ID ?? ''}\n`);
  let answer;
  try {
    const call = calls[method];
    if (!call) throw new Error(`there is no ${method}`);
    answer = call(input);
  } catch (error) {
    response.statusCode = 500;
    answer = { Err: /** @type {Error} */ (error).message };
  }
  const die = join(folder, `die-${method}`);
  if (existsSync(die)) {
    rmSync(die);
    process.exit(3);
  }
  response.end(JSON.stringify({ Err: '', ...answer }));
}

rmSync(socket, { force: true });
createServer((request, response) => {
  serve(request, response).catch((error) => response.destroy(error));
}).listen(socket, () => process.stdout.write('ready\n'));
