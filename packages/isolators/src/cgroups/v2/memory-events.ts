import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { errnoOf, type MemoryPressureTrigger } from '@gantry/interface';
import { refused } from '../../errors.js';
import type { MemoryEvents } from '../cgroups.js';
import type { KernelEvent } from '../kernel-event.js';
import { openEvents } from '../open-events.js';
import { numbersIn } from '../text-files.js';

/** `memory.events`, and triggers of pressure. Kernel documentation, admin-guide/cgroup-v2 and accounting/psi. */
export const memoryEventsV2: MemoryEvents = (file, pressure, tell, isolator) =>
  openEvents([
    () => limits(file('memory.events'), tell.counted.bind(tell)),
    ...pressure.map((trigger, index) => () => ({
      fd: arm(file('memory.pressure'), trigger, `pressure[${index}]`, isolator),
      poll: 'priority' as const,
      counts: false,
      // poll(2) itself has it forget.
      take: () => tell.pressed(trigger),
    })),
  ]);

function limits(path: string, counted: (name: string, times: number) => void): KernelEvent {
  const fd = openSync(path, 'r');
  let before = countersAt(fd);
  return {
    fd,
    poll: 'priority',
    counts: true,
    take() {
      const now = countersAt(fd);
      for (const [name, count] of Object.entries(now)) {
        const times = count - (before[name] ?? 0);
        if (times > 0) counted(name, times);
      }
      before = now;
    },
  };
}

/** From the beginning, by the same descriptor: that is what puts poll(2) at rest. */
function countersAt(fd: number): Readonly<Record<string, number>> {
  const buffer = Buffer.alloc(4096);
  const size = readSync(fd, buffer, 0, buffer.length, 0);
  return numbersIn(new Map([['events', buffer.toString('latin1', 0, size)]]), 'events') ?? {};
}

function arm(path: string, trigger: MemoryPressureTrigger, field: string, isolator: string): number {
  if (!('of' in trigger)) {
    throw refused(isolator, `${field}: cgroup v2 has no levels of pressure`, 'give of, stallMs and windowMs', {
      details: { field },
    });
  }
  let fd: number | undefined;
  try {
    fd = openSync(path, 'r+');
    writeSync(fd, `${trigger.of} ${trigger.stallMs * 1000} ${trigger.windowMs * 1000}\0`);
    return fd;
  } catch (cause) {
    if (fd !== undefined) closeSync(fd);
    throw refused(
      isolator,
      `${field}: the kernel takes no such trigger (${errnoOf(cause)})`,
      remedyOf(errnoOf(cause)),
      {
        cause,
        details: { field, path },
      },
    );
  }
}

function remedyOf(errno: string | undefined): string {
  if (errno === 'ENOENT' || errno === 'EOPNOTSUPP')
    return 'start the kernel with psi=1 and let the group count pressure';
  return 'give a windowMs that is a multiple of 2000, or run the host program with CAP_SYS_RESOURCE';
}
