import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CgroupLayout } from '@gantry/interface';

/**
 * The control groups of this host with v1 hierarchies beside them that it has not mounted itself, as some VPN programs mount them. Only who is given
 * `layout` knows of them; to everybody else they are one more line in /proc/PID/cgroup.
 */
export class LoneHierarchies implements Disposable {
  readonly layout: CgroupLayout;
  readonly #folder: string;
  readonly #mounted: string[] = [];

  constructor(host: CgroupLayout, controllers: readonly string[]) {
    this.#folder = mkdtempSync(join(tmpdir(), 'gantry-beside-'));
    const mounts = new Map(host.mounts);
    this.layout = { ...host, mounts };
    for (const name of controllers.filter((controller) => !mounts.has(controller))) {
      const path = join(this.#folder, name);
      mkdirSync(path);
      execFileSync('mount', ['-t', 'cgroup', '-o', name, 'cgroup', path]);
      this.#mounted.push(path);
      mounts.set(name, path);
    }
  }

  [Symbol.dispose](): void {
    for (const path of this.#mounted) execFileSync('umount', [path]);
    rmSync(this.#folder, { recursive: true });
  }
}
