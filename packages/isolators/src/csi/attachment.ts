import { type CallOptions, GantryError, isGantryError } from '@gantry/interface';
import { refused } from '../errors.js';
import type { Placed } from '../volume/mounts.js';
import { bootId } from '../volume/volume-records.js';
import { capabilityOf, type Driver } from './driver.js';
import type { CsiRecord, CsiRecords } from './records.js';

/** What the calls of one volume need. */
export interface Attachment {
  readonly driver: Driver;
  readonly records: CsiRecords;
  readonly key: string;
  readonly secrets: Readonly<Record<string, string>>;
  readonly options: Pick<CallOptions, 'signal'>;
}

/** Takes a volume to where it can be published to containers of this machine: made, attached, staged. Idempotent. */
export async function attach(mount: Placed<'csi'>, attachment: Attachment): Promise<CsiRecord> {
  const { driver, records, key, options } = attachment;
  const known = await records.read(key);
  if (known?.readyIn === bootId()) return known;
  const abilities = await driver.abilities(options);
  let record: CsiRecord = known ?? { driver: driver.name, context: mount.context ?? {}, secrets: mount.secrets ?? {} };
  const write = async (change: Partial<CsiRecord>) => {
    record = { ...record, ...change };
    await records.write(key, record);
  };
  await write({});
  if (record.volumeId === undefined) {
    await write(mount.create ? await created(mount, attachment) : { volumeId: mount.volume });
  }
  const capability = capabilityOf(mount);
  const { secrets } = attachment;
  if (abilities.publishes) {
    await write({ nodeId: abilities.nodeId });
    const request = {
      volumeId: record.volumeId,
      nodeId: abilities.nodeId,
      volumeCapability: capability,
      readonly: false,
      secrets,
      volumeContext: record.context,
    };
    const answer = await driver.controller.call('Controller', 'ControllerPublishVolume', request, options.signal);
    await write({ publishContext: textsOf(answer['publishContext']) });
  }
  if (abilities.stages) {
    await write({ staged: true });
    const request = {
      volumeId: record.volumeId,
      publishContext: record.publishContext ?? {},
      stagingTargetPath: await records.makeStaging(key),
      volumeCapability: capability,
      secrets,
      volumeContext: record.context,
    };
    await driver.node.call('Node', 'NodeStageVolume', request, options.signal);
  }
  await write({ readyIn: bootId() });
  return record;
}

/** Shows an attached volume at a path, which the driver makes. */
export async function publish(mount: Placed<'csi'>, target: string, record: CsiRecord, attachment: Attachment) {
  const { driver, records, key, secrets, options } = attachment;
  const request = {
    volumeId: record.volumeId,
    publishContext: record.publishContext ?? {},
    stagingTargetPath: record.staged ? records.staging(key) : '',
    targetPath: target,
    volumeCapability: capabilityOf(mount),
    readonly: mount.readonly ?? false,
    secrets,
    volumeContext: record.context,
  };
  await driver.node.call('Node', 'NodePublishVolume', request, options.signal);
}

/**
 * Takes a volume that no container has any more back to where it was. Idempotent. Asks for secrets only for the call that takes
 * them, so that nothing else waits for one that is not to be had any more.
 */
export async function detach(
  record: CsiRecord,
  { driver, records, key }: Omit<Attachment, 'secrets' | 'options'>,
  secretsOf: () => Promise<Attachment['secrets']>,
): Promise<void> {
  const { volumeId } = record;
  if (volumeId === undefined) return;
  // From here on whoever wants it attaches it again.
  const { readyIn: _, ...rest } = record;
  await records.write(key, rest);
  if (record.staged) {
    const request = { volumeId, stagingTargetPath: records.staging(key) };
    await gone(driver.node.call('Node', 'NodeUnstageVolume', request));
  }
  if (record.nodeId !== undefined) {
    const request = { volumeId, nodeId: record.nodeId, secrets: await secretsOf() };
    await gone(driver.controller.call('Controller', 'ControllerUnpublishVolume', request));
  }
}

/** What is not there need not be undone. */
export async function gone(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isGantryError(error, 'SYSTEM') || error.details['status'] !== 'NOT_FOUND') throw error;
  }
}

async function created(mount: Placed<'csi'>, { driver, secrets, options }: Attachment): Promise<Partial<CsiRecord>> {
  const { creates } = await driver.abilities(options);
  if (!creates) {
    throw refused(
      'volume/csi',
      `${mount.field}: the driver ${driver.name} makes no volumes`,
      'name one that is there',
      {
        details: { field: mount.field, driver: driver.name },
      },
    );
  }
  const { size, parameters = {} } = mount.create ?? {};
  const request = {
    name: mount.volume,
    ...(size === undefined ? {} : { capacityRange: { requiredBytes: size } }),
    volumeCapabilities: [capabilityOf(mount)],
    parameters,
    secrets,
  };
  const answer = await driver.controller.call('Controller', 'CreateVolume', request, options.signal);
  const volume = answer['volume'] as { readonly volumeId?: unknown; readonly volumeContext?: unknown } | null;
  if (typeof volume?.volumeId !== 'string' || volume.volumeId === '') {
    throw new GantryError('SYSTEM', `volume/csi: CreateVolume of the driver ${driver.name}: it gave no id`, {
      details: { isolator: 'volume/csi', driver: driver.name },
    });
  }
  return { volumeId: volume.volumeId, context: textsOf(volume.volumeContext) };
}

function textsOf(value: unknown): Readonly<Record<string, string>> {
  return (value ?? {}) as Readonly<Record<string, string>>;
}
