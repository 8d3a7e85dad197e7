import { type Console, tellError } from './console.js';

/**
 * Does it for one container after the other, also after one for which it fails, and prints those for which it is done. Resolves with the
 * exit status.
 */
export async function eachContainer(
  ids: readonly string[],
  console: Console,
  act: (id: string) => Promise<void>,
): Promise<number> {
  let status = 0;
  for (const id of ids) {
    try {
      await act(id);
      console.stdout.write(`${id}\n`);
    } catch (error) {
      tellError(console, error);
      status = 125;
    }
  }
  return status;
}
