import type { CdiEdits, CdiSpec } from './cdi-spec.js';

/** Every version that is read, the oldest first. */
export const cdiVersions = ['0.3.0', '0.4.0', '0.5.0', '0.6.0', '0.7.0', '0.8.0', '1.0.0', '1.1.0'] as const;

export type CdiVersion = (typeof cdiVersions)[number];

/** What came with later versions than the first, the newest first: the version, its name, whether a specification has it. */
const additions: readonly (readonly [CdiVersion, string, (spec: CdiSpec, all: readonly CdiEdits[]) => boolean])[] = [
  ['1.1.0', 'netDevices', (_, all) => all.some(({ netDevices }) => filled(netDevices))],
  ['1.1.0', 'intelRdt.schemata', (_, all) => all.some(({ intelRdt }) => intelRdt?.schemata !== undefined)],
  ['1.1.0', 'intelRdt.enableMonitoring', (_, all) => all.some(({ intelRdt }) => intelRdt?.enableMonitoring === true)],
  ['0.7.0', 'intelRdt', (_, all) => all.some(({ intelRdt }) => intelRdt !== undefined)],
  ['0.7.0', 'additionalGids', (_, all) => all.some(({ additionalGids }) => filled(additionalGids))],
  ['0.6.0', 'annotations', (spec) => [spec, ...spec.devices].some(({ annotations }) => filled(annotations))],
  ['0.6.0', 'a dot in the class', ({ kind }) => kind.slice(kind.indexOf('/')).includes('.')],
  ['0.5.0', 'a device name that begins with a digit', ({ devices }) => devices.some(({ name }) => /^\d/.test(name))],
  ['0.5.0', 'hostPath', (_, all) => all.some(({ deviceNodes = [] }) => deviceNodes.some(({ hostPath }) => hostPath))],
  ['0.4.0', 'a type of mounts', (_, all) => all.some(({ mounts = [] }) => mounts.some(({ type }) => type))],
];

/** What a specification has that its version has no more. Pure. */
export function droppedBy(version: CdiVersion, spec: CdiSpec): string | undefined {
  if (cdiVersions.indexOf(version) < cdiVersions.indexOf('1.1.0')) return undefined;
  const all = [spec.containerEdits ?? {}, ...spec.devices.map(({ containerEdits }) => containerEdits)];
  const names = ['enableCMT', 'enableMBM'] as const;
  return names.find((name) => all.some(({ intelRdt }) => intelRdt?.[name] !== undefined));
}

/** What a specification has that its version has not yet, and the version that has it. Pure. */
export function tooNewFor(version: CdiVersion, spec: CdiSpec): { what: string; since: CdiVersion } | undefined {
  const all = [spec.containerEdits ?? {}, ...spec.devices.map(({ containerEdits }) => containerEdits)];
  const found = additions.find(([since, , has]) => {
    return cdiVersions.indexOf(since) > cdiVersions.indexOf(version) && has(spec, all);
  });
  return found && { what: found[1], since: found[0] };
}

function filled(value: object | undefined): boolean {
  return value !== undefined && Object.keys(value).length > 0;
}
