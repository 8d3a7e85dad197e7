import { readFileSync } from 'node:fs';

/** One line of /proc/PID/mountinfo; see proc(5). */
export interface MountLine {
  readonly point: string;
  readonly options: readonly string[];
  /** `shared:N`, `master:N`. */
  readonly optional: readonly string[];
  readonly type: string;
  readonly superOptions: readonly string[];
}

/** What is mounted in the mount namespace of a process, as the kernel tells. */
export function mountsOf(pid: number | undefined): MountLine[] {
  const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const fields = line.split(' ');
    const dash = fields.indexOf('-');
    return {
      point: fields[4] ?? '',
      options: (fields[5] ?? '').split(','),
      optional: fields.slice(6, dash),
      type: fields[dash + 1] ?? '',
      superOptions: (fields[dash + 3] ?? '').split(','),
    };
  });
}

/** The last mount at a point; it must be there. */
export function mountAt(pid: number | undefined, point: string): MountLine {
  const found = mountsOf(pid)
    .filter((mount) => mount.point === point)
    .at(-1);
  if (!found) throw new Error(`process ${pid} has nothing mounted at ${point}`);
  return found;
}
