import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createFile, type Flush } from './durable-file.js';

/** A containerizer of one host program. Only the owner of a container cleans up after it; others may watch and signal it. */
export interface Owner {
  readonly pid: number;
  /** Clock ticks since the boot, so that a later process of the same pid is not taken for it. */
  readonly startTime: number;
  readonly bootId: string;
  /** Tells apart several containerizers of one process. */
  readonly instance: string;
}

const instancesOfThisProcess = new Set<string>();

let bootId: string | undefined;

/** This machine's boot id. */
export function readBootId(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootId;
}

/** Makes an owner of the calling process, alive until {@link retireOwner} or the process's end. */
export function createOwner(): Owner {
  const instance = randomUUID();
  instancesOfThisProcess.add(instance);
  return { pid: process.pid, startTime: startTimeOf(process.pid) ?? 0, bootId: readBootId(), instance };
}

/** Gives the owner's containers up to the next one who asks. */
export function retireOwner(owner: Owner): void {
  instancesOfThisProcess.delete(owner.instance);
}

/** Whether that containerizer may still act on its containers. */
export function isAlive(owner: Owner): boolean {
  if (owner.bootId !== readBootId() || !isProcessAlive(owner.pid, owner.startTime)) return false;
  return owner.pid !== process.pid || instancesOfThisProcess.has(owner.instance);
}

/** Whether the process that had this pid at that start time, of this boot, still runs. */
export function isProcessAlive(pid: number, startTime: number): boolean {
  return startTimeOf(pid) === startTime;
}

function startTimeOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name may hold spaces and parentheses; the fields after the last one do not. The first is field 3.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // One that has ended keeps its entry until its parent asks for its status, which may be never.
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : Number(fields[22 - 3]);
  } catch {
    return undefined; // There is no such process.
  }
}

/** The first owner file's name and content, for a container folder that is being made. */
export function firstOwnerFile(owner: Owner): { readonly name: string; readonly content: string } {
  return { name: ownerFileName(1), content: JSON.stringify(owner) };
}

/**
 * Makes `self` the owner of a container folder whose owner is gone. Ownership is a numbered file that only one can
 * create, so of several who try at once one wins. Resolves with the owner there is afterwards.
 */
export async function adopt(folder: string, self: Owner): Promise<Owner> {
  for (;;) {
    const generation = await latestGeneration(folder);
    const current = generation > 0 ? await readOwner(join(folder, ownerFileName(generation))) : undefined;
    if (current && (current.instance === self.instance || isAlive(current))) return current;
    if (await createFile(join(folder, ownerFileName(generation + 1)), JSON.stringify(self), unflushed)) {
      if (generation > 0) await rm(join(folder, ownerFileName(generation)), { force: true });
      return self;
    }
  }
}

async function latestGeneration(folder: string): Promise<number> {
  const names = await readdir(folder);
  return Math.max(0, ...names.map((name) => Number(/^owner\.(\d{1,9})$/.exec(name)?.[1] ?? 0)));
}

async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as Partial<Owner>;
    const { pid, startTime, bootId, instance } = value;
    if (typeof pid !== 'number' || typeof startTime !== 'number') return undefined;
    if (typeof bootId !== 'string' || typeof instance !== 'string') return undefined;
    return { pid, startTime, bootId, instance };
  } catch {
    return undefined; // Gone, since someone adopted in between, or not ours: either way not a living owner.
  }
}

/** Owners are processes of this boot: there is none to remember after a power cut. */
const unflushed: Flush = async () => undefined;

function ownerFileName(generation: number): string {
  return `owner.${generation}`;
}
