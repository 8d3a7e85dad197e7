import type { JsonFields } from '../json/json-fields.js';
import { quote } from '../quote.js';
import { largestUnixId } from '../unix-id.js';
import { readAcName } from './ac-types.js';
import { readAbsolutePath } from './app.js';

/** A folder for the apps of a pod: one of the host's, or an empty one that goes with the pod. appc 0.8, pods.md. */
export type AppcVolume =
  | {
      readonly name: string;
      readonly kind: 'host';
      /** Absolute path on the host. */
      readonly source: string;
      /** Whether what is mounted below the source comes too. */
      readonly recursive: boolean;
      readonly readonly: boolean;
    }
  | {
      readonly name: string;
      readonly kind: 'empty';
      /** Permission bits. */
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      readonly readonly: boolean;
    };

export const volumeFields = ['name', 'kind', 'source', 'readOnly', 'recursive', 'mode', 'uid', 'gid'] as const;

type VolumeFields = JsonFields<(typeof volumeFields)[number]>;

const modeGrammar = /^[0-7]{1,5}$/;

/** Reads a volume. A field that means nothing for its kind is refused. */
export function readVolume(fields: VolumeFields): AppcVolume {
  const [name, kind] = [readAcName(fields, 'name'), fields.requiredString('kind')];
  const readonly = fields.boolean('readOnly') ?? false;
  if (kind === 'host') {
    refuse(fields, kind, ['mode', 'uid', 'gid']);
    const source = readAbsolutePath(fields, 'source');
    return { name, kind, source, recursive: fields.boolean('recursive') ?? true, readonly };
  }
  if (kind === 'empty') {
    refuse(fields, kind, ['source']);
    return { name, kind, mode: readMode(fields), uid: readId(fields, 'uid'), gid: readId(fields, 'gid'), readonly };
  }
  throw fields.invalid('kind', `${quote(kind)} is neither "host" nor "empty"`);
}

function refuse(fields: VolumeFields, kind: string, names: readonly (typeof volumeFields)[number][]): void {
  for (const name of names) {
    if (fields.has(name)) throw fields.invalid(name, `it has no meaning for a volume of kind ${kind}`);
  }
}

function readMode(fields: VolumeFields): number {
  const text = fields.string('mode') ?? '0755';
  const mode = modeGrammar.test(text) ? Number.parseInt(text, 8) : Number.POSITIVE_INFINITY;
  if (mode > 0o7777) throw fields.invalid('mode', `${quote(text)} is no octal file mode`);
  return mode;
}

function readId(fields: VolumeFields, name: 'uid' | 'gid'): number {
  const id = fields.optionalSize(name) ?? 0;
  if (id > largestUnixId) throw fields.invalid(name, `want 0 to ${largestUnixId}`);
  return id;
}
