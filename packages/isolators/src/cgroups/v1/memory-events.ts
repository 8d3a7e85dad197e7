import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '@gantry/interface';
import { addon } from '@gantry/native';
import { refused } from '../../errors.js';
import type { MemoryEvents } from '../cgroups.js';
import type { KernelEvent } from '../kernel-event.js';
import { openEvents } from '../open-events.js';

/** `memory.oom_control` and `memory.pressure_level`. Kernel documentation, admin-guide/cgroup-v1/memory. */
export const memoryEventsV1: MemoryEvents = (file, pressure, tell, isolator) =>
  openEvents([
    () => notified(file, 'memory.oom_control', '', (times) => tell.counted('oom', times), isolator),
    ...pressure.map((trigger, index) => () => {
      if ('level' in trigger) {
        return notified(file, 'memory.pressure_level', ` ${trigger.level}`, () => tell.pressed(trigger), isolator);
      }
      const field = `pressure[${index}]`;
      throw refused(isolator, `${field}: cgroup v1 counts no pressure of groups`, 'give a level, or use cgroup v2', {
        details: { field },
      });
    }),
  ]);

/** Has the kernel tell of what a file stands for by an eventfd. */
function notified(
  file: (name: string) => string,
  name: string,
  argument: string,
  tell: (times: number) => void,
  isolator: string,
): KernelEvent {
  const path = file(name);
  const fd = addon().eventFd();
  try {
    // The kernel wants it open for as long as it takes to ask.
    const source = openSync(path, 'r');
    try {
      addon().writeEach(join(dirname(path), 'cgroup.event_control'), [`${fd} ${source}${argument}`]);
    } finally {
      closeSync(source);
    }
  } catch (cause) {
    closeSync(fd);
    throw refused(
      isolator,
      `${path}: the kernel tells of no events (${errnoOf(cause)})`,
      'run the host program as root, on a kernel that has them (CONFIG_MEMCG_V1, not PREEMPT_RT)',
      { cause, details: { path } },
    );
  }
  return {
    fd,
    poll: 'readable',
    counts: true,
    take() {
      const times = timesOf(fd);
      // The end of the group is told as an event, too.
      if (times > 0 && existsSync(path)) tell(times);
    },
  };
}

/** How often it was told since it was read. eventfd(2). */
function timesOf(fd: number): number {
  const counter = Buffer.alloc(8);
  try {
    readSync(fd, counter);
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return 0;
    throw error;
  }
  return Number(counter.readBigUInt64LE());
}
