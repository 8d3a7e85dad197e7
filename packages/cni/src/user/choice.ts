import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { errnoOf, type GantryError, type UserStack } from '@gantry/interface';
import { refused } from '../isolator/refusal.js';
import { type Families, hasDefaultRoute4, hasDefaultRoute6 } from './addresses.js';

/** A stack that can be used here. */
export interface ChosenStack {
  readonly stack: UserStack;
  readonly program: string;
  readonly families: Families;
}

/** What of the host decides. */
export interface StackHost {
  readonly isRoot: boolean;
  /** By name, the path of those programs that are installed. */
  readonly programs: Readonly<Partial<Record<UserStack, string>>>;
  /** What pasta says of its version; it is asked only if that counts. */
  readonly pastaVersion: () => string;
  /** Of which there is a default route. */
  readonly families: Families;
  /** The errno with which /dev/net/tun cannot be opened. */
  readonly tun?: string;
}

const packages = { pasta: 'passt', slirp4netns: 'slirp4netns' } as const;

/**
 * Pasta for an ordinary user: it is the faster, and has IPv6. For root slirp4netns, which then keeps no privilege but that for low ports, where
 * pasta keeps CAP_SYS_ADMIN. The other one where the first cannot be used. `REFUSED`, with what is wrong with each, if none can; one that is
 * `wanted` may be of any version.
 */
export function chooseStack(host: StackHost, wanted?: UserStack): ChosenStack {
  if (host.tun !== undefined) {
    throw refused(
      `network 'user' needs /dev/net/tun, which cannot be opened (${host.tun})`,
      host.tun === 'EACCES'
        ? 'have root make it accessible to all: chmod 666 /dev/net/tun'
        : 'load the kernel module tun',
    );
  }
  const order: readonly UserStack[] = host.isRoot ? ['slirp4netns', 'pasta'] : ['pasta', 'slirp4netns'];
  const tried = wanted === undefined ? order : [wanted];
  const obstacles = tried.map((stack) => ({
    stack,
    obstacle: stackObstacle(stack, host) ?? (wanted === undefined ? ageObstacle(stack, host) : undefined),
  }));
  const found = obstacles.find(({ obstacle }) => obstacle === undefined)?.stack;
  if (found === undefined) throw unusable(obstacles);
  const families = found === 'pasta' ? host.families : { ipv4: true, ipv6: false };
  return { stack: found, program: host.programs[found] ?? found, families };
}

/** Why a stack cannot be used; undefined if it can. */
export function stackObstacle(stack: UserStack, { programs, families }: StackHost): string | undefined {
  if (programs[stack] === undefined) return `${stack} is not installed (package ${packages[stack]})`;
  if (stack === 'pasta' && !families.ipv4 && !families.ipv6)
    return 'pasta needs a default route, and the host has none';
  return undefined;
}

/** The first version that is taken without being asked for, as a date. */
const oldestPasta = 20_240_101;

/** Why a stack is rather not used. Pasta of 2023 does not pass on what a server says before it has heard something. */
export function ageObstacle(stack: UserStack, { pastaVersion }: StackHost): string | undefined {
  if (stack !== 'pasta') return undefined;
  const version = pastaVersion();
  const [, year, month, day] = /(20\d\d)_?(\d\d)_?(\d\d)/.exec(version) ?? [];
  if (year !== undefined && Number(`${year}${month}${day}`) >= oldestPasta) return undefined;
  return `pasta is older than 2024 (${version || 'it tells no version'}) and loses data`;
}

function unusable(
  obstacles: readonly { readonly stack: UserStack; readonly obstacle: string | undefined }[],
): GantryError {
  const reasons = obstacles.map(({ obstacle }) => obstacle).join(', ');
  const names = obstacles.map(({ stack }) => packages[stack]).join(' or ');
  return refused(`network 'user': ${reasons}`, `install ${names}`);
}

/** This host, as it is now. */
export function stackHost(): StackHost {
  const tun = tunErrno();
  const [pasta, slirp4netns] = [programPath('pasta'), programPath('slirp4netns')];
  return {
    isRoot: process.geteuid?.() === 0,
    programs: { ...(pasta ? { pasta } : {}), ...(slirp4netns ? { slirp4netns } : {}) },
    pastaVersion: () => (pasta ? versionOf(pasta) : ''),
    families: {
      ipv4: hasDefaultRoute4(read('/proc/self/net/route')),
      ipv6: hasDefaultRoute6(read('/proc/self/net/ipv6_route')),
    },
    ...(tun === undefined ? {} : { tun }),
  };
}

const versions = new Map<string, string>();

/** The first line of what a program says of its version; asked once. */
function versionOf(program: string): string {
  const known = versions.get(program);
  if (known !== undefined) return known;
  const { stdout } = spawnSync(program, ['--version'], {
    encoding: 'utf8',
    timeout: 2000,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line = ''] = (stdout ?? '').split('\n');
  versions.set(program, line.trim().slice(0, 100));
  return line.trim().slice(0, 100);
}

function tunErrno(): string | undefined {
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return errnoOf(error) ?? 'EIO';
  }
}

function programPath(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/bin', '/usr/bin', '/bin'];
  return folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** A kernel without IPv6 has no table of it. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
