import type { BuiltImage } from '../image/built-image.js';
import type { LayerEntry } from '../image/layer-entry.js';
import { type DebianImageRecipe, debianImage, defaultPath, type ImageOptions } from './debian-image.js';

const guest = { name: 'guest', uid: 1000, home: '/home/guest', shell: '/bin/sh' };

/** What tests of containers call for; the program has more. */
const applets = [
  ...['[', 'ash', 'awk', 'base64', 'basename', 'cat', 'chgrp', 'chmod', 'chown', 'chroot', 'cmp', 'cp', 'cut', 'date'],
  ...['dd', 'df', 'diff', 'dirname', 'dmesg', 'du', 'echo', 'env', 'expr', 'false', 'find', 'free', 'grep', 'gunzip'],
  ...['gzip', 'head', 'hexdump', 'hostname', 'httpd', 'id', 'ifconfig', 'ip', 'kill', 'killall', 'less', 'link', 'ln'],
  ...['ls', 'md5sum', 'mkdir', 'mkfifo', 'mknod', 'mktemp', 'mount', 'mv', 'nc', 'netstat', 'nproc', 'nslookup', 'od'],
  ...['pidof', 'ping', 'printf', 'ps', 'pwd', 'readlink', 'realpath', 'renice', 'rm', 'rmdir', 'route', 'sed', 'seq'],
  ...[
    'setsid',
    'sh',
    'sha256sum',
    'sleep',
    'sort',
    'stat',
    'stty',
    'su',
    'sync',
    'sysctl',
    'tail',
    'tar',
    'tee',
    'telnet',
  ],
  ...['test', 'time', 'timeout', 'top', 'touch', 'tr', 'true', 'truncate', 'tty', 'umount', 'uname', 'uniq', 'unlink'],
  ...['unshare', 'usleep', 'vi', 'watch', 'wc', 'wget', 'which', 'whoami', 'xargs', 'yes', 'zcat'],
];

const files: readonly LayerEntry[] = [
  ...['dev', 'home', 'proc', 'sys', 'var'].map((path): LayerEntry => ({ path, type: 'directory' })),
  { path: 'home/guest', type: 'directory', uid: guest.uid, gid: guest.uid },
  { path: 'root', type: 'directory', mode: 0o700 },
  ...applets.map((name): LayerEntry => ({ path: `usr/bin/${name}`, type: 'symlink', target: 'busybox' })),
];

const recipe: DebianImageRecipe = {
  debian: [{ packages: ['busybox-static'], omit: ['usr/share'], users: [guest] }],
  files,
  config: () => ({ Env: [`PATH=${defaultPath}`], Cmd: ['sh'] }),
};

/**
 * A small image of one static program, busybox, with links for its applets and the users root, nobody and guest (1000).
 * `UNSUPPORTED`, with what to do, off Debian or without its archive.
 */
export function busyboxImage(options: ImageOptions = {}): Promise<BuiltImage> {
  return debianImage(recipe, options);
}
