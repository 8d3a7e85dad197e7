import { deepEqual } from 'node:assert';
import { deepStrictEqual, match, ok, rejects, strictEqual } from 'node:assert/strict';
import { type Isolator, isGantryError, type PrepareContext } from '@gantry/interface';

/** What {@link isolatorCompliance} is to test, and with which test runner. */
export interface IsolatorComplianceOptions {
  /** `describe` of vitest, node:test, mocha or another runner. */
  readonly describe: (name: string, define: () => void) => unknown;
  /** `test` or `it` of the same runner. */
  readonly test: (name: string, run: () => Promise<void>) => unknown;
  /** Gives an isolator as a host program that has just been started has it. */
  readonly create: () => Isolator | Promise<Isolator>;
  /** A container that the isolator takes, and whose id nobody else uses. */
  readonly context: PrepareContext;
  /** Containers that it has to refuse. */
  readonly refused?: readonly PrepareContext[];
  /** Whether `prepare` of `context` works here, so that its clean-up can be tested. Default false. */
  readonly prepares?: boolean;
}

const settleMs = 5_000;

/**
 * Registers the tests of what the containerizer counts on with every isolator: edits that are pure, refusals that name it, and
 * clean-up that knows nothing but an id. That the kernel enforces what it sets is for tests of its own.
 */
export function isolatorCompliance({ describe, test, create, context, ...options }: IsolatorComplianceOptions): void {
  const { refused = [], prepares = false } = options;
  const { id } = context;

  describe('an isolator', () => {
    test('has a name as a control-group folder could have, and waits for others only', async () => {
      const { name, after = [] } = await create();
      match(name, /^[a-z][a-z0-9_-]*(\/[a-z][a-z0-9_-]*)*$/);
      ok(!after.includes(name), `${name} waits for itself`);
    });

    test('says the same twice of what a container needs, as plain data, and changes nothing of what it was given', async () => {
      const before = structuredClone(plain(context));
      const [first, again] = [await (await create()).edits(context), await (await create()).edits(context)];
      deepStrictEqual(first, again);
      // Loosely: objects without a prototype are as good.
      deepEqual(JSON.parse(JSON.stringify(first)), first);
      deepStrictEqual(plain(context), before);
    });

    for (const [index, bad] of refused.entries()) {
      test(`refuses what it cannot meet, by name or by field (${index + 1})`, async () => {
        const isolator = await create();
        await rejects(isolator.edits(bad), (error) => {
          if (isGantryError(error, 'INVALID_ARGUMENT')) return typeof error.details['field'] === 'string';
          return isGantryError(error, 'REFUSED') && error.details['isolator'] === isolator.name;
        });
      });
    }

    test('cleans up after a container that it never saw, again and again', async () => {
      const isolator = await create();
      await isolator.cleanup?.(id);
      await isolator.cleanup?.(id);
      await isolator.close?.();
    });

    test('has no limit to tell of a container that it never saw, and lets go of it', async () => {
      const isolator = await create();
      strictEqual(await isolator.limitation?.(id), undefined);
      const abort = new AbortController();
      const watching = isolator.watch?.(id, { signal: abort.signal });
      abort.abort();
      strictEqual(await inTime(watching), undefined);
      await isolator.close?.();
    });

    if (prepares) {
      test('lets go of what it has reserved for a launch that does not come to be prepared', async () => {
        const isolator = await create();
        for (const _ of ['once', 'again']) {
          const reserved = await isolator.reserve?.(context);
          await reserved?.[Symbol.asyncDispose]();
          if (isolator.list) ok(!(await all(isolator.list())).includes(id), `${isolator.name} lists ${id}`);
        }
        await isolator.close?.();
      });

      test('is cleaned up after by the next host program, which finds what it made', async () => {
        const first = await create();
        const reserved = await first.reserve?.(context);
        await first.edits(context);
        await first.prepare?.(context);
        await reserved?.[Symbol.asyncDispose]();
        const next = await create();
        if (next.list) ok((await all(next.list())).includes(id), `${next.name} does not list ${id}`);
        await next.cleanup?.(id);
        if (next.list) ok(!(await all(next.list())).includes(id), `${next.name} still lists ${id}`);
        await next.close?.();
      });
    }
  });
}

/** The data of a context, without its calls. */
function plain({ rootfs, parent: _, ...rest }: PrepareContext): object {
  return { ...rest, rootfs: { path: rootfs.path, mount: rootfs.mount } };
}

async function all(ids: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const id of ids) found.push(id);
  return found;
}

async function inTime<T>(promise: Promise<T> | undefined): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not settle within ${settleMs} ms`)), settleMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
