import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CgroupLayout } from '@gantry/interface';
import { eventually } from '../support/eventually.mjs';

const umount = (path: string) => execFileSync('umount', [path]);

/** A controller is busy for as long as the kernel is not done with groups that have been removed. */
async function mount(controller: string, path: string): Promise<void> {
  const call = () => spawnSync('mount', ['-t', 'cgroup', '-o', controller, 'cgroup', path], { encoding: 'utf8' });
  const { status, stderr } = await eventually(
    async () => call(),
    (done) => done.status === 0,
  );
  if (status !== 0) throw new Error(stderr);
}

/** Whether a controller is in a hierarchy of version 1, mounted or not. */
const isInV1 = (controller: string) =>
  new RegExp(`^${controller}\\t[1-9]`, 'm').test(readFileSync('/proc/cgroups', 'latin1'));

/**
 * The control groups of this host with v1 hierarchies beside them that it has not mounted itself, as some VPN programs mount them; of controllers that no
 * v2 tree can have. Only who is given `layout` knows of them; to everybody else they are one more line in /proc/PID/cgroup.
 */
export class LoneHierarchies implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'gantry-beside-'));
  readonly #mounted = new Map<string, string>();

  static async mount(host: CgroupLayout, controllers: readonly string[]): Promise<LoneHierarchies> {
    const hierarchies = new LoneHierarchies(host);
    for (const name of controllers.filter((controller) => !host.mounts.has(controller))) {
      const path = join(hierarchies.#folder, name);
      mkdirSync(path);
      await mount(name, path);
      hierarchies.#mounted.set(name, path);
    }
    return hierarchies;
  }

  private constructor(readonly host: CgroupLayout) {}

  get layout(): CgroupLayout {
    return { ...this.host, mounts: new Map([...this.host.mounts, ...this.#mounted]) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [name, path] of this.#mounted) {
      umount(path);
      // A group that has just been removed keeps its hierarchy beyond the last mount, for good: the next unmount takes it away.
      const remains = await eventually(
        async () => {
          if (!isInV1(name)) return false;
          await mount(name, path);
          umount(path);
          return isInV1(name);
        },
        (still) => !still,
      );
      if (remains) throw new Error(`the hierarchy of ${name} is still there`);
    }
    rmSync(this.#folder, { recursive: true });
  }
}
