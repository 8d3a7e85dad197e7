import type { CallOptions } from './options.js';

/** cgroup v2: some of the container's tasks, or all at once, have waited for memory for `stallMs`, altogether, within `windowMs`. */
export interface MemoryStallTrigger {
  readonly of: 'some' | 'full';
  /** A whole number, at most `windowMs`. */
  readonly stallMs: number;
  /** From 500 to 10 000. */
  readonly windowMs: number;
}

/** cgroup v1: the kernel has had this much trouble to reclaim memory of the container's, or more. */
export interface MemoryLevelTrigger {
  readonly level: 'low' | 'medium' | 'critical';
}

/** When a reader of memory events is to be told of pressure. */
export type MemoryPressureTrigger = MemoryStallTrigger | MemoryLevelTrigger;

export interface MemoryEventsOptions extends Pick<CallOptions, 'signal'> {
  /** Default: none, and no event of type `pressure` comes. */
  readonly pressure?: readonly MemoryPressureTrigger[];
}

/** What the kernel tells of a container's memory. */
export type MemoryEvent =
  /** How often it has met its limits since the last event of this type: the counters of `MemoryUsage.events` that have grown; v1 tells of `oom` only. */
  | { readonly type: 'limits'; readonly counts: Readonly<Record<string, number>> }
  /** There is, or was since the last event of this trigger, as much pressure as that says. */
  | { readonly type: 'pressure'; readonly trigger: MemoryPressureTrigger };
