import { type CallOptions, type Isolator, type PrepareContext, throwIfAborted } from '@gantry/interface';

/** What isolators have taken for a launch, in their order; let go in reverse, but for what `prepare` has made the container's. */
export async function reserve(
  isolators: readonly Isolator[],
  context: PrepareContext,
  options: CallOptions,
): Promise<AsyncDisposable> {
  const taken: AsyncDisposable[] = [];
  const all: AsyncDisposable = {
    async [Symbol.asyncDispose]() {
      for (const one of taken.splice(0).reverse()) await one[Symbol.asyncDispose]();
    },
  };
  try {
    for (const isolator of isolators) {
      throwIfAborted(options.signal, `preparing container ${context.id}`);
      const one = await isolator.reserve?.(context, options);
      if (one) taken.push(one);
    }
    return all;
  } catch (error) {
    await all[Symbol.asyncDispose]();
    throw error;
  }
}
