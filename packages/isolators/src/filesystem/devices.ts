import type { OciDevice } from '@gantry/interface';

/**
 * The devices of every container. OCI runtime-spec, config-linux.md#default-devices; /dev/ptmx, and the links as
 * /dev/stdin, are the launcher's, since they lead into the container's own /dev/pts and /proc.
 */
export const standardDevices: readonly OciDevice[] = [
  device('/dev/null', 1, 3),
  device('/dev/zero', 1, 5),
  device('/dev/full', 1, 7),
  device('/dev/random', 1, 8),
  device('/dev/urandom', 1, 9),
  device('/dev/tty', 5, 0),
];

function device(path: string, major: number, minor: number): OciDevice {
  return { type: 'c', path, major, minor, fileMode: 0o666, uid: 0, gid: 0 };
}
