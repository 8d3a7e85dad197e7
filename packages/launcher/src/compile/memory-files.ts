import { GantryError, type SecretFile } from '@gantry/interface';
import type { MemoryFileStep, MemoryFolderStep, MemoryMountStep } from '../protocol.generated.js';
import type { CompileSecrets } from './inputs.js';
import type { ParsedMount } from './parsed-mount.js';
import { absolutePath, integer, invalid, maxId } from './refusal.js';

/** What stands for a secret where a plan is shown. */
export const mask = '<secret>';

const folderMode = 0o755;

/** A mount of files whose contents come with the launch: in memory alone, read-only. */
export function compileSecretFiles(
  { mount, field }: ParsedMount,
  files: readonly SecretFile[],
  secrets: CompileSecrets,
): readonly (MemoryFolderStep | MemoryFileStep | MemoryMountStep)[] {
  const [first] = files;
  const single = files.length === 1 && first?.name === undefined;
  const { uid = 0, gid = 0 } = first ?? {};
  return [
    { op: 'memoryFolder', mode: folderMode, uid, gid },
    ...files.map((file): MemoryFileStep => {
      const name = file.name ?? (single ? 'secret' : undefined);
      if (name === undefined || name === '' || name.includes('/') || name === '.' || name === '..') {
        throw invalid(field, `${JSON.stringify(name)} is no name of a file`);
      }
      return {
        op: 'memoryFile',
        name,
        mode: integer(file.mode, 0, 0o777, `${field}.mode`),
        uid: integer(file.uid, 0, maxId, `${field}.uid`),
        gid: integer(file.gid, 0, maxId, `${field}.gid`),
        content: contentOf(file, secrets),
      };
    }),
    {
      op: 'memoryMount',
      target: absolutePath(mount.destination, `${field}.destination`),
      file: single ? 'secret' : '',
    },
  ];
}

/** `NAME=value` of the variables that are secret. */
export function compileSecretEnv(names: readonly string[] = [], secrets: CompileSecrets): string[] {
  return names.map((name) => {
    const value = secrets === 'masked' ? mask : secrets.env.get(name);
    if (value === undefined) throw missing(`the variable ${name}`);
    return `${name}=${value}`;
  });
}

function contentOf(file: SecretFile, secrets: CompileSecrets): Uint8Array {
  if (secrets === 'masked') return Buffer.from(mask);
  const content = secrets.files.get(file.id);
  if (!content) throw missing(`the file ${file.name ?? ''} at ${file.destination}`);
  return content;
}

function missing(what: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `secrets: the launch came without ${what}`, {
    details: { field: 'secrets' },
  });
}
