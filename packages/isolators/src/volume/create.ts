import type { Isolator, SecretResolver } from '@gantry/interface';
import { environmentSecret } from '../environment-secret.js';
import type { VolumeFolders } from './container-folders.js';
import type { PluginFolders } from './docker/plugin-socket.js';
import { dockerVolume } from './docker/volume.js';
import { volumeHostPath } from './host-path.js';
import { volumeImage } from './image.js';
import { volumePersistent } from './persistent.js';
import { PersistentVolumes } from './persistent-volumes.js';
import { volumeSandboxPath } from './sandbox-path.js';
import { volumeSecret } from './secret.js';
import { volumeTmpfs } from './tmpfs.js';

export interface VolumeOptions {
  /** Where volumes are. Default: below /var/lib/gantry. */
  readonly volumes?: VolumeFolders;
  /** Where Docker's volume plugins are. Default: where Docker looks. */
  readonly dockerPlugins?: PluginFolders;
  /** Default: none, and a container that wants secrets is refused. */
  readonly secrets?: SecretResolver;
}

/** Where volumes are unless a host program says. */
export const defaultFolders: VolumeFolders = { root: '/var/lib/gantry', place: 'default' };

/** What brings files into containers, and secrets. */
export function createVolumeIsolators(options: VolumeOptions): Isolator[] {
  const folders = options.volumes ?? defaultFolders;
  const volumes = new PersistentVolumes(folders);
  return [
    dockerVolume({ folders, ...(options.dockerPlugins ? { plugins: options.dockerPlugins } : {}) }),
    environmentSecret(options),
    volumeHostPath(),
    volumeImage(folders),
    volumePersistent({ volumes }),
    volumeSandboxPath({ ...folders, persistent: (id) => volumes.path(id) }),
    volumeSecret(options),
    volumeTmpfs(),
  ];
}
