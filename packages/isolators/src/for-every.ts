import { GantryError, toGantryError } from '@gantry/interface';

/**
 * Does it for one after the other, also after one for which it fails. Then fails as the first did, with the words of all. `what` is for
 * errors that say nothing themselves of what was done.
 */
export async function forEvery<T>(items: Iterable<T>, what: string, run: (item: T) => Promise<void>): Promise<void> {
  const failures: GantryError[] = [];
  for (const item of items) {
    try {
      await run(item);
    } catch (error) {
      failures.push(toGantryError(error, what));
    }
  }
  const [first, second] = failures;
  if (!first) return;
  if (!second) throw first;
  const message = failures.map((failure) => failure.message).join('; ');
  throw new GantryError(first.code, message, { cause: new AggregateError(failures), details: first.details });
}
