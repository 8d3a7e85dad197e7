import { type ContainerId, GantryError } from '@gantry/interface';
import { type HelloMessage, protocolVersion } from '../protocol.generated.js';

/** `UNSUPPORTED` if the shim speaks another version than we do. */
export function checkVersion({ version }: HelloMessage, id: ContainerId): void {
  if (version === protocolVersion) return;
  throw new GantryError(
    'UNSUPPORTED',
    `container ${id}: its shim speaks protocol version ${version}, this launcher version ${protocolVersion}: use the release of Gantry that started it`,
    { details: { shim: version, launcher: protocolVersion } },
  );
}
