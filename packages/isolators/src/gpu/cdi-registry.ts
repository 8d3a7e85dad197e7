import { parseCdiName } from './cdi-names.js';
import type { CdiEdits, CdiSpec } from './cdi-spec.js';

/** A specification and where it comes from. */
export interface CdiSource {
  readonly file: string;
  /** The place of its folder among the folders; of two descriptions of one device that of the later folder counts. */
  readonly priority: number;
  readonly spec: CdiSpec;
}

/** All specifications that were found, and what is wrong with those that cannot be read. */
export interface CdiSources {
  readonly sources: readonly CdiSource[];
  readonly faults: readonly Error[];
}

/** A device as its specification describes it. */
export interface FoundDevice {
  /** Fully qualified. */
  readonly name: string;
  readonly source: CdiSource;
  readonly edits: CdiEdits;
}

/** What a name stands for: one device, several that contradict each other, or none. */
export type Resolved =
  | { readonly type: 'device'; readonly device: FoundDevice }
  | { readonly type: 'conflict'; readonly files: readonly string[] }
  | { readonly type: 'absent' };

/** What a fully qualified name stands for. Pure. */
export function resolveDevice({ sources }: CdiSources, name: string): Resolved {
  const { kind, device: wanted } = parseCdiName(name) ?? { kind: '', device: '' };
  const found = sources.flatMap((source): FoundDevice[] => {
    if (source.spec.kind !== kind) return [];
    const device = source.spec.devices.find((each) => each.name === wanted);
    return device ? [{ name, source, edits: device.containerEdits }] : [];
  });
  const top = Math.max(...found.map(({ source }) => source.priority));
  const [first, ...others] = found.filter(({ source }) => source.priority === top);
  if (!first) return { type: 'absent' };
  if (others.length === 0) return { type: 'device', device: first };
  return { type: 'conflict', files: [first, ...others].map(({ source }) => source.file) };
}

/** The names of all devices of a kind, each once, in the order in which they were found. */
export function devicesOf({ sources }: CdiSources, kind: string): readonly string[] {
  const names = sources
    .filter(({ spec }) => spec.kind === kind)
    .flatMap(({ spec }) => spec.devices.map(({ name }) => `${kind}=${name}`));
  return [...new Set(names)];
}

/**
 * The edits of devices, each after those that its specification has for all of its devices, with whose they are. What is there twice then
 * counts once.
 */
export function editsOf(devices: readonly FoundDevice[]): readonly OwnedEdits[] {
  return devices.flatMap(({ name, source: { file, spec }, edits }) => [
    { owner: `all of ${spec.kind}`, file, edits: spec.containerEdits ?? {} },
    { owner: name, file, edits },
  ]);
}

export interface OwnedEdits {
  /** For messages: the device. */
  readonly owner: string;
  readonly file: string;
  readonly edits: CdiEdits;
}
