import { errnoOf, GantryError, toGantryError } from '@gantry/interface';

const maxShown = 200;

/** What to do where a privilege is missing. */
export const missingRoot =
  'unpacking sets owners, makes device nodes and writes trusted.* extended attributes, which needs root (CAP_CHOWN, CAP_MKNOD, CAP_SYS_ADMIN) in the initial user namespace; run the host program as root';

/** A name from an archive, fit for a message: quoted, at most 200 bytes of it. */
export function showName(name: Uint8Array): string {
  const text = Buffer.from(name.buffer, name.byteOffset, Math.min(name.length, maxShown)).toString('utf8');
  return JSON.stringify(name.length > maxShown ? `${text}…` : text);
}

/** The `INVALID_ARCHIVE` error, for the entry of that name if it is known. */
export function invalidArchive(problem: string, entry?: Uint8Array, cause?: unknown): GantryError {
  if (!entry) return new GantryError('INVALID_ARCHIVE', `archive: ${problem}`, { cause });
  return new GantryError('INVALID_ARCHIVE', `archive entry ${showName(entry)}: ${problem}`, {
    cause,
    details: { entry: Buffer.from(entry).toString('utf8') },
  });
}

/** The error of a folder that is not there, or is none. */
export function missingFolder(error: unknown, folder: Uint8Array): GantryError {
  const path = `/${Buffer.from(folder).toString('utf8')}`;
  const details = { path };
  switch (errnoOf(error)) {
    case 'ENOENT':
      return new GantryError('NOT_FOUND', `${path} is not there`, { cause: error, details });
    case 'ENOTDIR':
      return new GantryError('WRONG_STATE', `${path} is no folder`, { cause: error, details });
    case 'ELOOP':
      return new GantryError('WRONG_STATE', `${path} leads over too many symbolic links, or one that only /proc has`, {
        cause: error,
        details,
      });
    default:
      return toGantryError(error, `opening ${path}`);
  }
}
