import type { Console } from '../console.js';
import { type GlobalOptions, openStore } from '../places.js';
import { showProgress } from '../progress.js';

/** `gantry pull`: prints the digest of the image, which is in the store afterwards. */
export async function pull(
  reference: string,
  options: GlobalOptions & { readonly force?: boolean },
  console: Console,
  signal: AbortSignal,
): Promise<number> {
  const view = showProgress(console);
  try {
    const image = await openStore(options).pull(reference, {
      force: options.force ?? false,
      signal,
      onProgress: view.onProgress,
    });
    view.stop();
    console.stdout.write(`${image.digest}\n`);
    return 0;
  } finally {
    view.stop();
  }
}
