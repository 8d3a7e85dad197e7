import { join } from 'node:path';
import { errnoOf } from '@gantry/interface';
import { addon } from '@gantry/native';
import { refused } from '../../errors.js';
import type { DeviceControl } from '../device-control.js';
import { type DeviceAllowance, deviceLine } from '../device-rules.js';

/** Kernel documentation, admin-guide/cgroup-v1/devices. A new group has what its parent has. */
export function devicesV1(mount: string | undefined): DeviceControl {
  return {
    missing: () =>
      mount === undefined
        ? "the cgroup v1 subsystem devices is not mounted; mount it with 'mount -t cgroup -o devices cgroup /sys/fs/cgroup/devices'"
        : undefined,
    restrict(path, allowed, isolator) {
      const folder = join(mount ?? '', path);
      const lines = allowed.map(deviceLine);
      try {
        addon().writeEach(join(folder, 'devices.deny'), ['a']);
        addon().writeEach(join(folder, 'devices.allow'), lines);
        checkList(addon().readWhole(join(folder, 'devices.list')), allowed, isolator);
      } catch (cause) {
        if (errnoOf(cause) === undefined) throw cause;
        throw notTaken(folder, lines, isolator, cause);
      }
    },
    restriction(path, allowed) {
      const folder = join(mount ?? '', path);
      return {
        calls: [
          ['write', join(folder, 'devices.deny'), 'a'],
          ['write', join(folder, 'devices.allow'), ...allowed.map(deviceLine)],
          ['read', join(folder, 'devices.list')],
        ],
        holds: ([list]) => typeof list === 'string' && isHeld(list, allowed),
      };
    },
  };
}

function checkList(list: string, allowed: readonly DeviceAllowance[], isolator: string): void {
  if (isHeld(list, allowed)) return;
  throw refused(
    isolator,
    `devices.list was set to ${JSON.stringify(allowed.map(deviceLine))} but holds ${JSON.stringify([...heldIn(list)])}`,
    'ask for devices that the kernel takes as they are',
  );
}

/** The kernel does not have them in our order once some were merged. */
function isHeld(list: string, allowed: readonly DeviceAllowance[]): boolean {
  const held = heldIn(list);
  return held.size === allowed.length && allowed.every((allowance) => held.has(deviceLine(allowance)));
}

function heldIn(list: string): Set<string> {
  return new Set(list.trim().split('\n').filter(Boolean));
}

function notTaken(folder: string, lines: readonly string[], isolator: string, cause: unknown): Error {
  const errno = errnoOf(cause);
  const remedy =
    errno === 'EPERM'
      ? 'run the host program as root, in a control group that may use them itself: a group has no more than its parent'
      : 'ask for devices that the kernel takes';
  return refused(isolator, `the devices ${JSON.stringify(lines)} could not be allowed (${errno})`, remedy, {
    cause,
    details: { path: folder, errno },
  });
}
