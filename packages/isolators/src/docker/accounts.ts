import { setImmediate as nextTurn } from 'node:timers/promises';

/** A usable line of a passwd file; see passwd(5). */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** The highest id of a user or group: 2^32 - 1 is the kernel's "leave unchanged". */
const maxId = 0xff_ff_ff_fe;

/** Lines looked at before the event loop has its turn: in 10 MiB, a hostile file has millions. */
const linesPerTurn = 2_000;

const lineFeed = 0x0a;

/** A whole decimal number that is an id, or undefined. Nothing else that Number() takes is one. */
export function parseId(text: string): number | undefined {
  if (!/^[0-9]{1,20}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= maxId ? id : undefined;
}

/**
 * The first user of a passwd file with a name, or with an id if that is what is given. Lines without a name or a valid
 * id, or with a NUL, are passed over, so that none can stand for an id by accident.
 */
export async function findUser(
  passwd: Uint8Array | undefined,
  wanted: string | number,
): Promise<PasswdEntry | undefined> {
  let found: PasswdEntry | undefined;
  await eachLine(passwd, (line) => {
    const [name = '', , uidText = '', gidText = '', , home = ''] = line.split(':', 6);
    const uid = parseId(uidText);
    const gid = parseId(gidText);
    if (name !== '' && uid !== undefined && gid !== undefined && (name === wanted || uid === wanted)) {
      found = { name, uid, gid, home };
    }
    return found !== undefined;
  });
  return found;
}

/** The id of the first group of a group file with a name. See group(5), and {@link findUser} for what is passed over. */
export async function findGroup(group: Uint8Array | undefined, wanted: string): Promise<number | undefined> {
  let found: number | undefined;
  await eachLine(group, (line) => {
    const [name, , gidText = ''] = line.split(':', 3);
    if (name === wanted) found = parseId(gidText);
    return found !== undefined;
  });
  return found;
}

/** The ids, each once, of the groups that list a user as a member; it stops looking once there are more than `max`. */
export async function membershipsOf(group: Uint8Array | undefined, user: string, max: number): Promise<number[]> {
  const ids = new Set<number>();
  await eachLine(group, (line) => {
    const [name, , gidText = '', members = ''] = line.split(':', 4);
    const gid = parseId(gidText);
    if (name !== '' && gid !== undefined && `,${members.trim()},`.includes(`,${user},`)) ids.add(gid);
    return ids.size > max;
  });
  return [...ids];
}

/** Visits the lines of a file, but for empty ones and those with a NUL, until a visit returns true. */
async function eachLine(file: Uint8Array | undefined, visit: (line: string) => boolean): Promise<void> {
  if (file === undefined) return;
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  let count = 0;
  for (let start = 0, end = 0; start < bytes.length; start = end + 1) {
    // Quicker than indexOf, which is a call out of JavaScript for every line.
    for (end = start; end < bytes.length && bytes[end] !== lineFeed; ) end++;
    if (end > start) {
      const line = bytes.toString('utf8', start, end);
      if (!line.includes('\0') && visit(line)) return;
    }
    if (++count % linesPerTurn === 0) await nextTurn();
  }
}
