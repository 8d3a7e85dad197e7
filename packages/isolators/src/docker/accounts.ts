/** One usable line of a passwd file; see passwd(5). */
export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** One usable line of a group file; see group(5). */
export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** The highest id of a user or group: 2^32 - 1 is the kernel's "leave unchanged". */
export const maxId = 0xff_ff_ff_fe;

/** A whole decimal number that is an id, or undefined. Nothing else that Number() takes is one. */
export function parseId(text: string): number | undefined {
  if (!/^[0-9]{1,20}$/.test(text)) return undefined;
  const id = Number(text);
  return id <= maxId ? id : undefined;
}

/** Lines without a name or a valid id, or with a NUL, are left out, so that none can stand for an id by accident. */
export function parsePasswd(bytes: Uint8Array | undefined): PasswdEntry[] {
  return lines(bytes).flatMap(([name = '', , uidText = '', gidText = '', , home = '']) => {
    const uid = parseId(uidText);
    const gid = parseId(gidText);
    return name === '' || uid === undefined || gid === undefined ? [] : [{ name, uid, gid, home }];
  });
}

/** As {@link parsePasswd}. */
export function parseGroup(bytes: Uint8Array | undefined): GroupEntry[] {
  return lines(bytes).flatMap(([name = '', , gidText = '', memberList = '']) => {
    const gid = parseId(gidText);
    return name === '' || gid === undefined ? [] : [{ name, gid, members: memberList.trim().split(',') }];
  });
}

function lines(bytes: Uint8Array | undefined): string[][] {
  const text = bytes === undefined ? '' : new TextDecoder().decode(bytes);
  return text
    .split('\n')
    .filter((line) => !line.includes('\0'))
    .map((line) => line.split(':'));
}
