import { closeSync } from 'node:fs';
import type { KernelEvent } from './kernel-event.js';

/** Opens all, or none. */
export function openEvents(openers: readonly (() => KernelEvent)[]): KernelEvent[] {
  const events: KernelEvent[] = [];
  try {
    for (const open of openers) events.push(open());
    return events;
  } catch (error) {
    for (const { fd } of events) closeSync(fd);
    throw error;
  }
}
