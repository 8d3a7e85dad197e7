import { type CallOptions, type ContainerId, type Isolator, toGantryError } from '@gantry/interface';
import { forEvery } from '../../for-every.js';
import type { VolumeFolders } from '../container-folders.js';
import { identityOf, lookAt } from '../identity.js';
import { folderMount, mountsOf, type Placed } from '../mounts.js';
import { bootId, volumeKey } from '../volume-records.js';
import { isAnswer, PluginClient } from './plugin-client.js';
import { findSocket, type PluginFolders } from './plugin-socket.js';
import { DockerRecords } from './records.js';

const name = 'docker/volume';

export interface DockerVolumeOptions {
  readonly folders: VolumeFolders;
  readonly plugins?: PluginFolders;
  /** For one call of a plugin. Default 120 000. */
  readonly timeoutMs?: number;
}

/**
 * `docker/volume`: volumes of Docker volume plugins. However many containers have a volume, it is mounted once, by the first, and
 * unmounted by the last. What is about to be done is written down before the plugin is asked.
 */
export function dockerVolume({ folders, plugins = {}, timeoutMs = 120_000 }: DockerVolumeOptions): Isolator {
  const records = new DockerRecords(folders);
  const clientOf = async (driver: string) =>
    new PluginClient({ driver, timeoutMs, socket: await findSocket(name, driver, plugins) });
  return {
    name,
    serves: ['mounts.docker'],
    after: ['filesystem/*'],
    async edits({ id, spec }) {
      const mounts = mountsOf(spec, 'docker');
      if (mounts.length === 0) return {};
      for (const { driver } of mounts) await findSocket(name, driver, plugins);
      return {
        mounts: mounts.map(({ destination, readonly }, index) =>
          folderMount(records.link(id, index), destination, readonly),
        ),
      };
    },
    prepares: ({ spec }) => (spec.mounts ? 'anything' : 'nothing'),
    async prepare({ id, spec }, { signal } = {}) {
      for (const [index, mount] of mountsOf(spec, 'docker').entries()) {
        const key = volumeKey(mount.driver, mount.name);
        await records.announce(id, { index, key });
        const mountpoint = await records.locked(
          key,
          async () => mountFor(records, key, id, mount, await clientOf(mount.driver), signal),
          signal,
        );
        await records.place(id, index, mountpoint);
      }
    },
    async pins({ id, spec }) {
      const pins: Record<string, string> = {};
      for (const [index, { destination, field }] of mountsOf(spec, 'docker').entries()) {
        pins[destination] = identityOf(await lookAt(name, records.link(id, index), field));
      }
      return pins;
    },
    async cleanup(id) {
      const keys = new Set((await records.mountsOf(id)).map(({ key }) => key));
      await forEvery(keys, `${name}: letting go of a volume`, (key) =>
        records.locked(key, () => letGo(records, key, id, clientOf)),
      );
      await records.containers.remove(id);
    },
    list: () => records.containers.list(),
  };
}

async function mountFor(
  records: DockerRecords,
  key: string,
  id: ContainerId,
  { driver, name: volume, options = {} }: Placed<'docker'>,
  client: PluginClient,
  signal: CallOptions['signal'],
): Promise<string> {
  const call = signal ? { signal } : {};
  await records.addUser(key, id);
  const known = await records.read(key);
  const boot = bootId();
  if (known?.mountpoint !== undefined && known.bootId === boot) return known.mountpoint;
  await client.activate(call);
  await client.ensure(volume, options, call);
  const mountId = known?.mountId ?? `gantry-${key}`;
  // It was being mounted, or unmounted, and nobody knows how far that has come.
  if (known?.bootId === boot) {
    await client.unmount(volume, mountId, call).catch((error: unknown) => {
      if (!isAnswer(error)) throw error;
    });
  }
  await records.write(key, { driver, name: volume, mountId, bootId: boot });
  const mountpoint = await client.mount(volume, mountId, call);
  await records.write(key, { driver, name: volume, mountId, bootId: boot, mountpoint });
  return mountpoint;
}

/** Unmounts the volume if the container was the last that had it. */
async function letGo(
  records: DockerRecords,
  key: string,
  id: ContainerId,
  clientOf: (driver: string) => Promise<PluginClient>,
): Promise<void> {
  if (!(await records.removeUser(key, id))) return;
  const record = await records.read(key);
  // A record of another boot is of a mount that is gone.
  if (record && record.bootId === bootId()) {
    // From here on it is mounted anew for whoever wants it: an unmount that fails may still come about.
    const { mountpoint: _, ...rest } = record;
    await records.write(key, rest);
    const client = await clientOf(record.driver);
    try {
      await client.unmount(record.name, record.mountId);
    } catch (error) {
      // One that died after the plugin had unmounted it, or before it had mounted it, cannot tell.
      const isMounted = !isAnswer(error) || ((await client.get(record.name))?.mountpoint ?? '') !== '';
      if (isMounted) throw toGantryError(error, `${name}: unmounting ${record.name}`);
    }
  }
  await records.forget(key);
}
