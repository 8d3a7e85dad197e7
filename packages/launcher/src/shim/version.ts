import { type ContainerId, GantryError } from '@gantry/interface';
import { type HelloMessage, protocolVersion } from '../protocol.generated.js';

/** `UNSUPPORTED` if the shim speaks another version than we do; undefined if it is the same. */
export function versionRefusal({ version }: HelloMessage, id: ContainerId): GantryError | undefined {
  if (version === protocolVersion) return undefined;
  const versions = `its shim speaks protocol version ${version}, this launcher version ${protocolVersion}`;
  return new GantryError(
    'UNSUPPORTED',
    `container ${id}: ${versions}: it can be waited for, signalled and ended, and its log be read; for the rest use the release of Gantry that started it`,
    { details: { shim: version, launcher: protocolVersion } },
  );
}

/** Throws what {@link versionRefusal} gives. */
export function checkVersion(hello: HelloMessage, id: ContainerId): void {
  const refusal = versionRefusal(hello, id);
  if (refusal) throw refusal;
}
