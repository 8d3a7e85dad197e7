import { isGantryError } from '@gantry/interface';
import { formatReference, parseReference } from '../reference.js';

/** The canonical reference of a `repository:tag` in an archive; undefined if it is none, or has a digest. */
export function readRepoTag(text: string): string | undefined {
  if (text.includes('@')) return undefined;
  try {
    return formatReference(parseReference(text));
  } catch (error) {
    if (isGantryError(error, 'INVALID_ARGUMENT')) return undefined;
    throw error;
  }
}
