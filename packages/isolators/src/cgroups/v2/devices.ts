import { join } from 'node:path';
import { errnoOf } from '@gantry/interface';
import { addon } from '@gantry/native';
import { refused } from '../../errors.js';
import type { DeviceControl } from '../device-control.js';
import { type DeviceAllowance, deviceLine } from '../device-rules.js';
import { deviceProgram } from './device-program.js';

/** Kernel documentation, admin-guide/cgroup-v2, "Device controller": there are no files, but a BPF program a group. */
export function devicesV2(mount: string): DeviceControl {
  const programs = new DevicePrograms();
  return {
    missing: () => programs.missing(),
    restrict(path, allowed, isolator) {
      const folder = join(mount, path);
      const program = load(programs, allowed, isolator);
      try {
        if (addon().attachDeviceProgram(program.fd, folder) < 1) throw new Error('the kernel shows no program');
      } catch (cause) {
        const errno = errnoOf(cause);
        throw refused(
          isolator,
          `the device program could not be attached to ${folder} (${errno ?? String(cause)})`,
          errno === 'EPERM'
            ? 'use a control-group parent above which no program is attached for itself alone, and run the host program as root'
            : 'see the cause',
          { cause, details: { path: folder, errno } },
        );
      } finally {
        program.release();
      }
    },
  };
}

interface LoadedProgram {
  readonly fd: number;
  release(): void;
}

/** Programs in the kernel. Most containers have the same, which is kept; another is closed when a group holds it. */
class DevicePrograms {
  #kept: { readonly key: string; readonly fd: number } | undefined;
  #missing: string | undefined | null = null;

  missing(): string | undefined {
    if (this.#missing === null) this.#missing = this.#tryOut();
    return this.#missing;
  }

  get(allowed: readonly DeviceAllowance[]): LoadedProgram {
    const key = allowed.map(deviceLine).join('\n');
    if (this.#kept?.key === key) return { fd: this.#kept.fd, release() {} };
    const fd = addon().loadDeviceProgram(deviceProgram(allowed));
    if (this.#kept === undefined) {
      this.#kept = { key, fd };
      return { fd, release() {} };
    }
    return { fd, release: () => addon().closeFd(fd) };
  }

  #tryOut(): string | undefined {
    try {
      addon().closeFd(addon().loadDeviceProgram(deviceProgram([])));
      return undefined;
    } catch (cause) {
      const errno = errnoOf(cause);
      if (errno === undefined) throw cause;
      const remedies = new Map([
        [
          'EPERM',
          'run the host program as root, with CAP_BPF and CAP_NET_ADMIN, and with RLIMIT_MEMLOCK unlimited before Linux 5.11',
        ],
        ['ENOSYS', 'use a kernel with CONFIG_BPF_SYSCALL'],
        ['EINVAL', 'use a kernel with CONFIG_CGROUP_BPF'],
      ]);
      return `the kernel does not take a BPF program for devices (${errno}); ${remedies.get(errno) ?? 'see dmesg'}`;
    }
  }
}

function load(programs: DevicePrograms, allowed: readonly DeviceAllowance[], isolator: string): LoadedProgram {
  try {
    return programs.get(allowed);
  } catch (cause) {
    const errno = errnoOf(cause);
    throw refused(
      isolator,
      `a program for ${allowed.length} devices could not be loaded (${errno ?? String(cause)})`,
      'ask for fewer, and let the host program use BPF',
      { cause, details: { errno } },
    );
  }
}
