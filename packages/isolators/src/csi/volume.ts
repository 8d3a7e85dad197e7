import type { CallOptions, ContainerId, Isolator, SecretReference } from '@gantry/interface';
import { refused } from '../errors.js';
import { forEvery } from '../for-every.js';
import { identityOf, lookAt } from '../volume/identity.js';
import { folderMount, mountsOf, type Placed } from '../volume/mounts.js';
import { resolveSecret } from '../volume/resolve-secret.js';
import { type VolumeMark, volumeKey } from '../volume/volume-records.js';
import { type Attachment, attach, detach, gone, publish } from './attachment.js';
import { Driver } from './driver.js';
import type { VolumeCsiOptions } from './options.js';
import { CsiRecords } from './records.js';

const name = 'volume/csi';

/**
 * `volume/csi`: volumes of CSI 1.x drivers, mounted as file systems. However many containers have a volume, it is attached and staged once, by
 * the first, and published to each. What is about to be done is written down before the driver is asked.
 */
export function volumeCsi(options: VolumeCsiOptions): Isolator {
  const records = new CsiRecords(options.volumes);
  const drivers = new Map<string, Driver>();
  const driverOf = (driver: string, field: string): Driver => {
    const configured = Object.hasOwn(options.drivers, driver) ? options.drivers[driver] : undefined;
    if (!configured) {
      throw refused(name, `${field}: there is no CSI driver ${driver}`, 'give volumeCsi its sockets', {
        details: { field, driver },
      });
    }
    const made = drivers.get(driver) ?? new Driver(driver, configured, options.timeoutMs ?? 120_000);
    drivers.set(driver, made);
    return made;
  };
  const secretsOf = async (
    references: Readonly<Record<string, SecretReference>>,
    call: CallOptions & { readonly field: string; readonly container: ContainerId },
  ) => {
    const values: Record<string, string> = {};
    for (const [key, reference] of Object.entries(references)) {
      values[key] = Buffer.from(await resolveSecret(name, options.secrets, reference, call)).toString('utf8');
    }
    return values;
  };

  async function prepareMount(id: ContainerId, index: number, mount: Placed<'csi'>, call: CallOptions): Promise<void> {
    const key = volumeKey(mount.driver, mount.volume);
    const driver = driverOf(mount.driver, mount.field);
    const secrets = await secretsOf(mount.secrets ?? {}, { ...call, field: mount.field, container: id });
    await records.announce(id, { index, key });
    const show = async () => {
      const attachment: Attachment = { driver, records, key, secrets, options: call };
      await records.addUser(key, `${id}.${index}`);
      const record = await attach(mount, attachment);
      await publish(mount, records.target(id, index), record, attachment);
    };
    await records.locked(key, show, call.signal);
  }

  async function letGo(id: ContainerId, { index, key }: VolumeMark): Promise<void> {
    const record = await records.read(key);
    const field = `the volume of container ${id}`;
    if (record?.volumeId !== undefined) {
      const request = { volumeId: record.volumeId, targetPath: records.target(id, index) };
      await gone(driverOf(record.driver, field).node.call('Node', 'NodeUnpublishVolume', request));
    }
    if (await records.removeUser(key, `${id}.${index}`)) {
      if (record) {
        const driver = driverOf(record.driver, field);
        await detach(record, { driver, records, key }, () => secretsOf(record.secrets, { field, container: id }));
      }
      await records.forget(key);
    }
    await records.removeMount(id, index);
  }

  return {
    name,
    serves: ['mounts.csi'],
    after: ['filesystem/*'],
    async edits({ id, spec }) {
      const mounts = mountsOf(spec, 'csi');
      for (const { driver, field } of mounts) driverOf(driver, field);
      if (mounts.length === 0) return {};
      return {
        mounts: mounts.map(({ destination, readonly }, index) =>
          folderMount(records.target(id, index), destination, readonly),
        ),
      };
    },
    prepares: ({ spec }) => (spec.mounts ? 'anything' : 'nothing'),
    async prepare({ id, spec }, call = {}) {
      for (const [index, mount] of mountsOf(spec, 'csi').entries()) await prepareMount(id, index, mount, call);
    },
    async pins({ id, spec }) {
      const pins: Record<string, string> = {};
      for (const [index, { destination, field }] of mountsOf(spec, 'csi').entries()) {
        pins[destination] = identityOf(await lookAt(name, records.target(id, index), field));
      }
      return pins;
    },
    async cleanup(id) {
      await forEvery(await records.mountsOf(id), `${name}: letting go of a volume`, (mark) =>
        records.locked(mark.key, () => letGo(id, mark)),
      );
      await records.removeContainer(id);
    },
    list: () => records.containers.list(),
    async close() {
      for (const driver of drivers.values()) driver.close();
      drivers.clear();
    },
  };
}
