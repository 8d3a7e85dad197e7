import type { LandlockPath, LandlockRight, LandlockRules, LandlockScope, LaunchRequest } from '@gantry/interface';
import type { LandlockStep, Step } from '../protocol.generated.js';
import { absolutePath, integer, unsupported } from './refusal.js';

/** `LANDLOCK_ACCESS_FS_*` of linux/landlock.h. */
const rights: Readonly<Record<LandlockRight, number>> = {
  // EXECUTE
  execute: 0x1,
  // READ_FILE, READ_DIR
  read: 0xc,
  // WRITE_FILE, REMOVE_DIR, REMOVE_FILE, MAKE_*, REFER, TRUNCATE
  write: 0x7ff2,
};
const allRights = rights.read + rights.write + rights.execute;

/** `LANDLOCK_ACCESS_NET_*`. */
const bindTcp = 0x1;
const connectTcp = 0x2;

/** `LANDLOCK_SCOPE_*`. */
const scopes: Readonly<Record<LandlockScope, number>> = { 'abstract-sockets': 0x1, signals: 0x2 };

/**
 * The steps that make the ruleset of a container, once its root is its own: what a path leads to then is what is allowed, whatever
 * the path leads to later. `UNSUPPORTED` where a process may gain privileges, which the kernel does not let under a ruleset.
 */
export function compileRuleset({ landlock, config }: LaunchRequest): readonly Step[] {
  if (!landlock) return [];
  if (!config.process.noNewPrivileges) {
    throw unsupported('process.noNewPrivileges', 'landlock takes it: have the isolator linux/nnp');
  }
  const { paths, tcp } = landlock;
  return [
    {
      op: 'landlockRuleset',
      files: paths ? allRights : 0,
      network: (tcp?.bind ? bindTcp : 0) + (tcp?.connect ? connectTcp : 0),
      scopes: sumOf(scopes, landlock.scopes ?? []),
    },
    ...(paths ?? []).map(compilePath),
    ...compilePorts(tcp?.bind, bindTcp, 'bind'),
    ...compilePorts(tcp?.connect, connectTcp, 'connect'),
  ];
}

/** The step that puts a process of the container under its ruleset. */
export function compileLandlock(landlock: LandlockRules | undefined): readonly LandlockStep[] {
  return landlock ? [{ op: 'landlock' }] : [];
}

function compilePath({ path, allow }: LandlockPath, index: number): Step {
  return {
    op: 'landlockPath',
    path: absolutePath(path, `landlock.paths[${index}].path`),
    access: sumOf(rights, allow),
  };
}

function compilePorts(ports: readonly number[] | undefined, access: number, name: string): Step[] {
  return (ports ?? []).map((port, index) => ({
    op: 'landlockPort',
    port: integer(port, 0, 65_535, `landlock.tcp.${name}[${index}]`),
    access,
  }));
}

/** Names that are given twice count once. */
function sumOf<N extends string>(bits: Readonly<Record<N, number>>, names: readonly N[]): number {
  return [...new Set(names)].reduce((sum, name) => sum + bits[name], 0);
}
