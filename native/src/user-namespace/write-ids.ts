import { execFile } from 'node:child_process';
import { GantryError, type IdMapping, type IdMappings } from '@gantry/interface';
import { idHelpers } from './own-ids.js';

/** The lines of /proc/<pid>/uid_map. user_namespaces(7). */
export function mapText(mappings: readonly IdMapping[]): string {
  return mappings.map(({ inside, outside, size }) => `${inside} ${outside} ${size}\n`).join('');
}

/**
 * Has newuidmap and newgidmap give a process in a new user namespace its ids. `REFUSED` if they do not; they check that the
 * user owns the process and the ranges.
 */
export async function writeIdsWithHelpers(pid: number, { uids, gids }: IdMappings): Promise<void> {
  const { newuidmap, newgidmap } = idHelpers();
  await Promise.all([
    runHelper(newuidmap ?? 'newuidmap', pid, uids, '/etc/subuid'),
    runHelper(newgidmap ?? 'newgidmap', pid, gids, '/etc/subgid'),
  ]);
}

function runHelper(program: string, pid: number, mappings: readonly IdMapping[], file: string): Promise<void> {
  const args = mappings.flatMap(({ inside, outside, size }) => [inside, outside, size].map(String));
  return new Promise((resolve, reject) => {
    execFile(program, [String(pid), ...args], { timeout: 10_000 }, (cause, _stdout, stderr) => {
      if (!cause) return resolve();
      const said = stderr.trim() || cause.message;
      const remedy = `check that it is set-user-id root, or has its file capabilities, and that ${file} has these ranges`;
      reject(
        new GantryError('REFUSED', `namespaces/user: ${program}: ${said}; ${remedy}`, {
          cause,
          details: { isolator: 'namespaces/user', program },
        }),
      );
    });
  });
}
