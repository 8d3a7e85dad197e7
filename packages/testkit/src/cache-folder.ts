import { homedir } from 'node:os';
import { join } from 'node:path';

/** A folder below `$XDG_CACHE_HOME/gantry`, by default `~/.cache/gantry`. XDG Base Directory Specification. */
export function cacheFolder(name: string): string {
  const base = process.env['XDG_CACHE_HOME'];
  // The specification has relative paths ignored.
  return join(base?.startsWith('/') ? base : join(homedir(), '.cache'), 'gantry', name);
}
