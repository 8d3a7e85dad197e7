import type { LayerEntry } from '../image/layer-entry.js';

/** A user of an image, with a group of the same name and number. */
export interface ImageUser {
  readonly name: string;
  readonly uid: number;
  /** Default `/nonexistent`. */
  readonly home?: string;
  /** Default `/usr/sbin/nologin`. */
  readonly shell?: string;
}

const always: readonly ImageUser[] = [
  { name: 'root', uid: 0, home: '/root', shell: '/bin/sh' },
  { name: 'nobody', uid: 65534 },
];

/** `etc/passwd` and `etc/group` with root, nobody and the users given. passwd(5), group(5). */
export function userFiles(users: readonly ImageUser[]): LayerEntry[] {
  const all = [...always, ...users];
  const passwd = all.map(
    ({ name, uid, home = '/nonexistent', shell = '/usr/sbin/nologin' }) =>
      `${name}:x:${uid}:${uid}::${home}:${shell}\n`,
  );
  const group = all.map(({ name, uid }) => `${name === 'nobody' ? 'nogroup' : name}:x:${uid}:\n`);
  return [
    { path: 'etc', type: 'directory' },
    { path: 'etc/passwd', type: 'file', content: passwd.join('') },
    { path: 'etc/group', type: 'file', content: group.join('') },
  ];
}
