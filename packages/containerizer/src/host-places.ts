import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where a host program keeps what it does not say itself. */
export interface HostPlaces {
  readonly root: string;
  readonly stateRoot: string;
}

/** Of root: `/var/lib/gantry` and `/run/gantry`. Of an ordinary user: below $XDG_DATA_HOME and $XDG_RUNTIME_DIR. XDG Base Directory Specification. */
export function defaultPlaces(): HostPlaces {
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return { root: '/var/lib/gantry', stateRoot: '/run/gantry' };
  const root = join(absolute('XDG_DATA_HOME') ?? join(homedir(), '.local/share'), 'gantry');
  const runtime = absolute('XDG_RUNTIME_DIR') ?? [`/run/user/${uid}`].find((folder) => existsSync(folder));
  return { root, stateRoot: runtime === undefined ? join(root, 'state') : join(runtime, 'gantry') };
}

/** A relative path is to be ignored. */
function absolute(variable: string): string | undefined {
  const value = process.env[variable];
  return value?.startsWith('/') ? value : undefined;
}
