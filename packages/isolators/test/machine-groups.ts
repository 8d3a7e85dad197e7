import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupLayout, ContainerSpec, Isolator, IsolatorEdits, PrepareContext } from '@gantry/interface';
import { expect } from 'vitest';
import { createIsolators } from '../src/create.js';
import { detectCgroups } from '../src/index.js';
import { orderIsolators } from '../src/order.js';
import { contextOf } from './context.js';

export const MiB = 1024 * 1024;

/** The `cgroups/*` isolators on the control groups of this machine, below a parent that no other test file has. */
export class MachineGroups {
  readonly isolators: Isolator[];

  static async open(name: string): Promise<MachineGroups> {
    return new MachineGroups(await detectCgroups(), `/gantry-${name}-${process.pid}`);
  }

  private constructor(
    readonly layout: CgroupLayout,
    readonly parent: string,
  ) {
    this.isolators = this.isolatorsBelow(parent);
  }

  readonly mounts = () => [...new Set(this.layout.mounts.values())];

  readonly isolatorsBelow = (cgroupParent: string) =>
    orderIsolators(createIsolators({ cgroups: this.layout, cgroupParent })).filter(({ name }) =>
      name.startsWith('cgroups/'),
    );

  /** Edits and prepares as a containerizer does; gives the folders to join. */
  readonly prepare = async (
    id: string,
    resources: ContainerSpec['resources'] = {},
    using = this.isolators,
    below = this.parent,
  ) => {
    const context: PrepareContext = contextOf({ resources }, { id, parent: below });
    const edits: IsolatorEdits[] = [];
    for (const isolator of using) edits.push(await isolator.edits(context));
    for (const isolator of using) await isolator.prepare?.(context);
    return [...new Set(edits.flatMap((edit) => edit.cgroups ?? []))];
  };

  readonly cleanUp = async (id: string) => {
    for (const isolator of [...this.isolators].reverse()) await isolator.cleanup?.(id);
  };

  /** A shell that moves itself into the groups, as the shim's first process does, and runs the script. */
  readonly run = (folders: readonly string[], script: string): ChildProcess => {
    const file = this.layout.version === 'v1' ? 'tasks' : 'cgroup.procs';
    const joins = folders.map((folder) => `echo 0 > ${join(folder, file)}`).join(' && ');
    // Nothing it leaves behind holds our pipes, so its exit can be waited for.
    return spawn('sh', ['-c', `${joins} || exit 99\n${script}`], { stdio: ['ignore', 'ignore', 'ignore'] });
  };

  readonly exitOf = async (child: ChildProcess): Promise<number | string> => {
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    return code ?? signal ?? 'unknown';
  };

  readonly named = (name: string): Isolator => {
    const isolator = this.isolators.find((candidate) => candidate.name === name);
    if (!isolator) throw new Error(`there is no ${name}`);
    return isolator;
  };

  /** What a file of a container's group holds. */
  readonly held = (id: string, v1File: string, v2File: string) => {
    const file = this.layout.version === 'v1' ? v1File : v2File;
    const mount = this.layout.mounts.get(this.layout.version === 'v1' ? (file.split('.')[0] ?? '') : 'unified') ?? '';
    return readFileSync(join(mount, this.parent, id, file), 'utf8').trim();
  };

  /** Removes every group, and makes sure that none is left. */
  async empty(): Promise<void> {
    for (const isolator of [...this.isolators].reverse()) {
      for await (const id of isolator.list?.() ?? []) await isolator.cleanup?.(id);
    }
    for (const isolator of this.isolators) await isolator.close?.();
    expect(this.mounts().filter((mount) => existsSync(join(mount, this.parent)))).toEqual([]);
  }
}

/** In the last of the folders, which a process joins last. */
export function pidsIn(folders: readonly string[]): number[] {
  const folder = folders.at(-1) ?? '';
  return readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
}

export function isZombie(pid: number): boolean {
  return existsSync(`/proc/${pid}/stat`) && / Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** Looks again at every turn of the event loop. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
