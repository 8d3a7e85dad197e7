import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type {
  Containerizer,
  ContainerSpec,
  MemoryEvent,
  MemoryEventsOptions,
  MemoryPressureTrigger,
} from '@gantry/interface';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const MiB = 2 ** 20;
const sh = (script: string) => ({ command: ['/bin/sh', '-c', script], stdin: true });
const level = { level: 'low' } as const;
const stall = { of: 'some', stallMs: 1, windowMs: 1000 } as const;

/** What this process has open to be told of something. Node.js has eventfds of its own, which come and go with its threads. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      if (/\/memory\.(events|pressure|oom_control)/.test(target)) return [target];
      return /^eventfd-id: .*/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1')) ?? [];
    } catch {
      return []; // The one by which the folder is read.
    }
  });
}

requires({ root: true })('memory events of a container', () => {
  let host: TestHost;
  let isV1: boolean;
  const opened = new Set<string>();
  beforeAll(async () => {
    host = await startHost();
    isV1 = (await detectCgroups()).version === 'v1';
  });
  afterAll(() => host[Symbol.asyncDispose]());

  const launch = async (spec: Partial<ContainerSpec>) => {
    const { id } = await host.containerizer.launch({ image: host.image, ...sh('exec sleep 1000'), ...spec });
    return id;
  };
  const follow = (containerizer: Containerizer, id: string, options?: MemoryEventsOptions) => {
    const before = descriptors();
    const events = containerizer.memoryEvents(id, options);
    const added = descriptors().filter((each) => !before.includes(each));
    expect(added).not.toEqual([]);
    for (const each of added) opened.add(each);
    return events;
  };
  const left = () => descriptors().filter((each) => opened.has(each));
  const say = async (id: string) => {
    await using attachment = await host.containerizer.attach(id, { stdin: true });
    attachment.stdin?.write('\n');
    await outputMatching(host.containerizer, id, /gone on/);
  };
  const until = async (events: AsyncIterable<MemoryEvent>, isIt: (event: MemoryEvent) => boolean) => {
    for await (const event of events) if (isIt(event)) return event;
    throw new Error('the events ended');
  };

  it('tell that it was out of memory, and end with it', async () => {
    const id = await launch({
      ...sh('read x; echo gone on; tail /dev/zero; exit 3'),
      resources: { limits: { memory: 32 * MiB } },
    });
    const events = follow(host.containerizer, id);
    // Another reader has descriptors of his own.
    const other = host.containerizer.memoryEvents(id);
    await say(id);
    const { limitation } = await host.containerizer.wait(id);
    expect(limitation?.resource).toBe('memory');
    expect(left()).toEqual([]);
    for (const each of [events, other]) {
      const counts: Record<string, number> = {};
      for await (const event of each) {
        if (event.type !== 'limits') throw new Error(`nobody has asked for ${event.type}`);
        for (const [name, times] of Object.entries(event.counts)) counts[name] = (counts[name] ?? 0) + times;
      }
      expect(counts).toMatchObject(
        isV1
          ? { oom: expect.any(Number) }
          : { max: expect.any(Number), oom: expect.any(Number), oom_kill: expect.any(Number) },
      );
    }
    await host.containerizer.remove(id);
  });

  it('tell of pressure, as much as was asked for, to whoever reads', async () => {
    const [script, limits, asked] = isV1
      ? (['dd if=/dev/zero of=/f bs=64k count=3200 2>/dev/null', { memory: 16 * MiB }, level] as const)
      : (['tail /dev/zero', { memoryHigh: 12 * MiB }, stall] as const);
    const id = await launch({
      ...sh(`read x; echo gone on; ${script}; exec sleep 1000`),
      resources: { limits },
    });
    const pressure: MemoryPressureTrigger[] = [asked];
    const events = follow(host.containerizer, id, { pressure });
    await say(id);
    const found = await until(events, ({ type }) => type === 'pressure');
    expect(found).toEqual({ type: 'pressure', trigger: asked });
    // Whoever leaves has nothing left open, while the container goes on.
    expect(left()).toEqual([]);
    if (!isV1) {
      const counting = await until(host.containerizer.memoryEvents(id), ({ type }) => type === 'limits');
      expect(counting).toMatchObject({ counts: { high: expect.any(Number) } });
    }
    await host.containerizer.destroy(id);
    await host.containerizer.remove(id);
  });

  it('end for who stops following, and when the containerizer closes', async () => {
    const own = await startHost();
    const { id } = await own.containerizer.launch({ image: own.image, ...sh('exec sleep 1000') });
    const stop = new AbortController();
    const stopped = follow(own.containerizer, id, { signal: stop.signal });
    const reading = stopped.next();
    stop.abort();
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await stopped.next().catch(({ code }) => code)).toBe('ABORTED');
    expect(left()).toEqual([]);
    const waiting = follow(own.containerizer, id).next();
    await own[Symbol.asyncDispose]();
    expect(await waiting).toEqual({ value: undefined, done: true });
    expect(left()).toEqual([]);
    expect(() => own.containerizer.memoryEvents(id)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  it('of a nested container that shares its parent’s groups are the parent’s', async () => {
    const parent = await launch({
      ...sh('read x; echo gone on; tail /dev/zero; exit 3'),
      resources: { limits: { memory: 32 * MiB } },
    });
    const nested = await launch({ parent, shareCgroups: true });
    const events = follow(host.containerizer, nested);
    await say(parent);
    expect(await until(events, ({ type }) => type === 'limits')).toMatchObject({ type: 'limits' });
    await host.containerizer.destroy(parent);
    expect(left()).toEqual([]);
    await host.containerizer.remove(parent);
  });

  it('are refused for pressure that this host does not tell, or no host', async () => {
    const id = await launch({});
    const had = descriptors();
    const followed = (trigger: MemoryPressureTrigger) => () =>
      host.containerizer.memoryEvents(id, { pressure: [isV1 ? level : stall, trigger] });
    expect(followed(isV1 ? stall : level)).toThrow(
      expect.objectContaining({ code: 'REFUSED', details: { isolator: 'cgroups/mem', field: 'pressure[1]' } }),
    );
    for (const [trigger, field] of [
      [{ ...stall, windowMs: 499 }, 'windowMs'],
      [{ ...stall, stallMs: 1001 }, 'stallMs'],
      [{ ...stall, of: 'any' }, 'of'],
      [{ level: 'none' }, 'level'],
    ] as const) {
      expect(followed(trigger as MemoryPressureTrigger)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: `pressure[1].${field}` } }),
      );
    }
    expect(descriptors().filter((each) => !had.includes(each))).toEqual([]);
    await host.containerizer.destroy(id);
    expect(() => host.containerizer.memoryEvents(id)).toThrow(expect.objectContaining({ code: 'WRONG_STATE' }));
    await host.containerizer.remove(id);
  });
});
