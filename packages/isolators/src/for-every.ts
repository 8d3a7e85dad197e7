/** Does it for one after the other, also after one for which it fails; then fails with what was the first to go wrong. */
export async function forEvery<T>(items: Iterable<T>, run: (item: T) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (const item of items) {
    try {
      await run(item);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}
