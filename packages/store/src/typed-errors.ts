import { toGantryError } from '@gantry/interface';

/** The result; what goes wrong is a `GantryError`, also where it was a system call. */
export async function orTyped<T>(result: Promise<T>, what: string): Promise<T> {
  try {
    return await result;
  } catch (error) {
    throw toGantryError(error, what);
  }
}

/** As {@link orTyped}, of a sequence. */
export async function* eachTyped<T>(items: AsyncIterable<T>, what: string): AsyncIterable<T> {
  try {
    yield* items;
  } catch (error) {
    throw toGantryError(error, what);
  }
}
