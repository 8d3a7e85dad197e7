import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** An ordinary user of this machine, for a test, with a home and a runtime folder. */
export interface TestUser extends Disposable {
  readonly name: string;
  readonly uid: number;
  /** All that its host programs keep. */
  readonly folder: string;
  /** Runs the user's host program. */
  run(scenario: string, args: readonly string[]): Promise<UserRun>;
  /** As `run`, in a control group (its folder), for containers in groups below `cgroupParent`. */
  runIn(group: string, cgroupParent: string, scenario: string, args: readonly string[]): Promise<UserRun>;
  /** As `run`, where nobody may make user namespaces: in one that has all ids and a sysctl `user.max_user_namespaces` of 0. */
  runShut(scenario: string, args: readonly string[]): Promise<UserRun>;
}

export interface UserRun {
  /** What it wrote, line by line, from JSON. */
  readonly results: readonly unknown[];
  readonly stderr: string;
  readonly status: number | null;
}

/** Makes a user; `ranges` says whether he may use other ids. */
export function addUser(ranges: boolean): TestUser {
  // Process ids are not one's own where tests run in several pid namespaces.
  const name = `gantry-t${randomBytes(4).toString('hex')}`;
  command('useradd', '--no-create-home', '--shell', '/bin/sh', name);
  const uid = Number(command('id', '-u', name));
  if (!ranges) {
    for (const [file, option] of [
      ['subuid', '--del-subuids'],
      ['subgid', '--del-subgids'],
    ] as const) {
      const line = command('grep', `^${name}:`, `/etc/${file}`);
      const [, start = 0, size = 0] = line.trim().split(':').map(Number);
      command('usermod', option, `${start}-${start + size - 1}`, name);
    }
  }
  const folder = mkdtempSync(join(tmpdir(), 'gantry-user-'));
  chmodSync(folder, 0o711);
  for (const part of ['data', 'run']) {
    mkdirSync(join(folder, part), { mode: 0o700 });
    chownSync(join(folder, part), uid, uid);
  }
  return {
    name,
    uid,
    folder,
    run: (scenario, args) => collect(start(name, folder, scenario, args)),
    runIn(group, cgroupParent, scenario, args) {
      const wrap = ['sh', '-c', `echo $$ > ${group}/cgroup.procs; exec "$@"`, '-'];
      return collect(start(name, folder, scenario, args, { wrap, env: { CGROUP_PARENT: cgroupParent } }));
    },
    runShut: (scenario, args) => collect(mapAll(start(name, folder, scenario, args, { wrap: shut, piped: true }))),
    [Symbol.dispose]() {
      rmSync(folder, { recursive: true, force: true });
      command('userdel', name);
    },
  };
}

/** Waits, in a new user namespace, for its ids. */
const shut = ['unshare', '--user', 'sh', '-c'].concat([
  // The privileges of its root come with an exec.
  `echo made; read -r _; exec sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"' - "$@"`,
  '-',
]);

/** Gives it all ids. */
function mapAll(child: ChildProcess): ChildProcess {
  child.stdout?.once('data', () => {
    for (const map of ['gid_map', 'uid_map']) writeFileSync(`/proc/${child.pid}/${map}`, '0 0 4294967295');
    child.stdin?.end('\n');
  });
  return child;
}

interface StartOptions {
  /** What is to run before it, as root, and become it. */
  readonly wrap?: readonly string[];
  /** Whether that reads its input. */
  readonly piped?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

function start(
  name: string,
  folder: string,
  scenario: string,
  args: readonly string[],
  { wrap = [], piped = false, env = {} }: StartOptions = {},
): ChildProcess {
  const identity = ['setpriv', `--reuid=${name}`, `--regid=${name}`, '--init-groups'];
  const command = [...wrap, ...identity, process.execPath, join(here, 'user-program.mjs'), scenario, ...args];
  return spawn(command[0] ?? '', command.slice(1), {
    cwd: here,
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      XDG_DATA_HOME: join(folder, 'data'),
      XDG_RUNTIME_DIR: join(folder, 'run'),
      ...env,
    },
    stdio: [piped ? 'pipe' : 'ignore', 'pipe', 'pipe'],
  });
}

async function collect(child: ChildProcess): Promise<UserRun> {
  const output = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.on('data', (piece: Buffer) => {
      output[stream] += piece.toString();
    });
  }
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  const lines = output.stdout.split('\n').filter((line) => line !== '' && line !== 'made');
  return { results: lines.map((line) => JSON.parse(line) as unknown), stderr: output.stderr, status };
}

function command(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout;
}
