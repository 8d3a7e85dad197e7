import { toGantryError } from '@gantry/interface';
import { addon, shimPath } from '@gantry/native';

let sealed: Promise<number> | undefined;

/** The descriptor of a sealed copy of the shim, made on first use and kept for the life of this process. */
export function shimExecutable(): Promise<number> {
  sealed ??= addon()
    .sealedExecutable(shimPath)
    .catch((error: unknown) => {
      sealed = undefined;
      throw toGantryError(error, `copying the shim ${shimPath}; if it is not there, build it with 'npm run setup'`);
    });
  return sealed;
}
