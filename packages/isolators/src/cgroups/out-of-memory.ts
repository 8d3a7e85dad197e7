import { posix } from 'node:path';
import type { Limitation } from '@gantry/interface';
import type { CgroupFiles, Cgroups } from './cgroups.js';
import { readFiles, readFilesNow } from './text-files.js';

/**
 * What ended a container for want of memory: its own group, the nearest above it that came up against its limit, or,
 * as `/`, the machine. Undefined if no process of it was killed for that.
 */
export async function memoryLimitation(
  cgroups: Cgroups,
  path: string,
  isolator: string,
): Promise<Limitation | undefined> {
  const { memory } = cgroups;
  // These are counters that nobody has to add up, and every container's end asks for them.
  const files = readFilesNow(cgroups, path, memory.outOfMemoryFiles);
  const { kills, atOwnLimit } = memory.outOfMemory(files);
  if (kills === 0) return undefined;
  const { limit, peak } = memory.usage(await readFiles(cgroups, path, memory.usageFiles));
  const culprit = atOwnLimit && limit !== undefined ? { path, files } : await findAbove(cgroups, path);
  const reasons = new Map([
    [path, `the memory limit of ${limit} bytes was reached`],
    ['/', 'the host ran out of memory'],
  ]);
  const reason = reasons.get(culprit.path) ?? `the control group ${culprit.path} above the container ran out of memory`;
  const killed = kills === 1 ? 'a process was killed' : `${kills} processes were killed`;
  const most = peak === undefined ? '' : `; the container used at most ${peak} bytes`;
  return {
    isolator,
    resource: 'memory',
    message: `${reason} and ${killed}${most}`,
    cgroup: culprit.path,
    statistics: statisticsOf(culprit.files),
  };
}

async function findAbove(cgroups: Cgroups, path: string): Promise<{ path: string; files: CgroupFiles }> {
  const { memory } = cgroups;
  let above = posix.dirname(path);
  for (; above !== '/'; above = posix.dirname(above)) {
    const files = await readFiles(cgroups, above, memory.outOfMemoryFiles);
    if (memory.outOfMemory(files).atOwnLimit) break;
  }
  return { path: above, files: await readFiles(cgroups, above, memory.outOfMemoryFiles) };
}

/** Every number in the files, by the file's name and, of lines `key value`, the key's. That there is no limit is none. */
export function statisticsOf(files: CgroupFiles): Record<string, number> {
  const statistics: Record<string, number> = Object.create(null);
  for (const [file, content] of files) {
    for (const line of content.trim().split('\n')) {
      const [, key, digits] = /^(?:(\w+) )?(\d+)$/.exec(line) ?? [];
      const value = Number(digits);
      if (Number.isSafeInteger(value)) statistics[key === undefined ? file : `${file}.${key}`] = value;
    }
  }
  return statistics;
}
