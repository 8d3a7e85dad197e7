import { setImmediate } from 'node:timers/promises';
import {
  type CallOptions,
  GantryError,
  type Image,
  type Isolator,
  type PrepareContext,
  type SpareGroups,
  throwIfAborted,
} from '@gantry/interface';
import type { Container } from './container.js';
import { composeRequest, prepareContext, resolveSource } from './document.js';
import { launchInputs } from './launch-inputs.js';
import { readBootId } from './owner.js';
import type { ContainerizerParts } from './parts.js';
import { newRecord } from './record.js';
import { reserve } from './reserve.js';
import { parseSignal } from './signals.js';
import { hasGroups, makeSpareGroups } from './spare-groups.js';
import { withoutCredentials } from './spec.js';
import type { StateRoot } from './state-folder.js';
import { tellStatus } from './told.js';
import { asksRegistry, leasedImages, pullVolumeImages } from './volume-images.js';

/**
 * Takes a STARTING container, nested in the nearest of `ancestors` if it has any, to RUNNING. Every durable thing is announced in the container's record before it is
 * made. Throws at the first failure and undoes nothing: the caller cleans up, by the same steps as after an exit.
 */
export async function runLaunch(
  container: Container,
  ancestors: readonly Container[],
  parts: ContainerizerParts,
  root: StateRoot,
  options: CallOptions,
): Promise<void> {
  const { spec, id, pod } = container;
  // The shim starts while the rest is made. Until it is given the plan it is nothing that recovery would have to know of.
  await using pending = parts.launcher.begin(id);
  const image = await container.timed('pull', () => pullImage(container, parts, options));
  const volumeImages = spec.mounts && (await container.timed('pull', () => pullVolumeImages(spec, parts, options)));
  container.enter('PROVISIONING');
  const resolved = await container.timed('unpack', () => resolveSource(spec, image, parts, options));
  const rootfs = await container.timed('provision', () => parts.provisioner.describe(id, resolved.source));
  const context = prepareContext(parts, spec, image, rootfs, ancestors, volumeImages);
  await using _ = await container.timed('prepare', () => reserve(parts.isolators, context, options));
  const request = await container.timed('prepare', () => composeRequest(parts, context, root.of(id).path, options));
  // The process and its namespaces are made meanwhile; if the host program dies now the shim takes them back.
  await container.timed('announce', () => pending.announce(request));
  const { folder, durable } = await container.timed('checkpoint', () => announce(container, root, image, options));
  if (pod) await parts.volumes.make(id, pod.volumes);
  await container.timed('provision', () => parts.provisioner.provision(id, resolved.source, options));
  container.enter('PREPARING');
  const whole = { ...context, resources: request.config.linux.resources ?? {} };
  const prepareAll = async () => {
    const spare = await pending.groups();
    return container.timed('prepare', () => prepare(parts, whole, spare, options));
  };
  // Control groups are made while the shim makes the root.
  const onlyGroups = parts.isolators.every((isolator) => preparesNoRoot(isolator, context));
  const tookOverBefore = onlyGroups ? undefined : await prepareAll();
  const inputs =
    spec.mounts || spec.secretEnv
      ? await container.timed('prepare', () => launchInputs(parts, context, spec, options))
      : undefined;

  const meanwhile = async () => {
    if (tookOverBefore !== undefined) return tookOverBefore;
    const tookOver = await prepareAll();
    container.enter('ISOLATING');
    return tookOver;
  };
  const spareGroups = () => makeSpareGroups(parts, root.owner, whole, request);
  if (!onlyGroups) container.enter('ISOLATING');
  const isolating = parts.isolators.filter((one) => one.isolate && (one.isolates?.(context) ?? true));
  // If no isolator has anything to do with the blocked process, it need not wait for us.
  const release = isolating.length === 0;
  const launching = container.timed('launch', () =>
    pending.launch(request, { ...options, ...inputs, release, meanwhile, spareGroups }),
  );
  // In the next turn the shim has all that it waits for. Recovery takes a container without a request for one that was never launched.
  const atWork = setImmediate();
  const written = atWork.then(() => folder.writeRequest(request));
  // Until it is there, what has been unpacked just now is held by the store itself.
  const leased = leasedImages(image, volumeImages);
  container.leasing = leased.length > 0 ? atWork.then(() => parts.leases.take(id, leased)) : Promise.resolve();
  container.leasing.catch(() => undefined);
  const [launched] = await Promise.allSettled([launching, written]);
  if (launched.status === 'rejected') throw launched.reason;
  const handle = launched.value;
  container.handle = handle;
  container.request = request;
  await written;
  const startedAt = Date.now();
  await container.timed('checkpoint', async () => {
    folder.writeProcess({ ...handle.process, startedAt });
    await Promise.all([durable, container.leasing]);
  });
  await container.timed('isolate', () => isolate(isolating, container, handle.process.pid, options));
  // Of those that had nothing to do with the process, only who never has tells something all the same.
  const telling = parts.isolators.filter((one) => one.status && (!one.isolate || isolating.includes(one)));
  container.told = await tellStatus(telling, id);
  throwIfAborted(options.signal, `launching container ${id}`);
  await container.timed('release', () => handle.release(options));
  container.record = { ...recordOf(container), startedAt, timings: container.timings };
  container.enter('RUNNING');
}

/** Makes the container's folder with its first record: from here on recovery knows of it. */
async function announce(container: Container, root: StateRoot, image: Image | undefined, options: CallOptions) {
  const { spec, pod } = container;
  throwIfAborted(options.signal, `launching container ${container.id}`);
  const record = newRecord({
    spec: withoutCredentials(spec),
    bootId: readBootId(),
    createdAt: container.createdAt,
    ...(image ? { image: { reference: image.reference, digest: image.digest } } : {}),
    ...(pod ? { pod } : {}),
    stopSignal: parseSignal(spec.stopSignal ?? (image?.config.stopSignal || 'SIGTERM'), 'stopSignal'),
  });
  const created = root.create(record);
  container.record = record;
  container.folder = created.folder;
  return created;
}

/** Whether what an isolator makes on the host does not matter to the container's root. */
function preparesNoRoot(isolator: Isolator, context: PrepareContext): boolean {
  return !isolator.prepare || (isolator.prepares?.(context) ?? 'anything') !== 'anything';
}

/**
 * What the isolators make on the host, in their order, or take over of what was made ahead. Resolves with whether the container's control
 * groups are just those.
 */
async function prepare(
  parts: ContainerizerParts,
  context: PrepareContext,
  spare: SpareGroups | undefined,
  options: CallOptions,
): Promise<boolean> {
  let tookOver = spare !== undefined;
  for (const isolator of parts.isolators) {
    throwIfAborted(options.signal, `preparing container ${context.id}`);
    if (spare && hasGroups(isolator, context) && (await isolator.takeOver?.(context, spare.path))) continue;
    if (hasGroups(isolator, context)) tookOver = false;
    await isolator.prepare?.(context, options);
  }
  return tookOver;
}

/** What isolators do with the blocked process, at once. All have come to an end when it fails, so that clean-up finds nothing under way. */
async function isolate(
  isolators: readonly Isolator[],
  container: Container,
  pid: number,
  options: CallOptions,
): Promise<void> {
  const { id } = container;
  const done = await Promise.allSettled(isolators.map((isolator) => isolator.isolate?.(id, pid, options)));
  const failed = done.find(({ status }) => status === 'rejected');
  if (failed?.status === 'rejected') throw failed.reason;
}

async function pullImage(
  container: Container,
  parts: ContainerizerParts,
  options: CallOptions,
): Promise<Image | undefined> {
  const { image, pull } = container.spec;
  if (image === undefined) return undefined;
  // Unpacking is asked for next: only a pull has anything to gain from hearing of it now.
  const present = asksRegistry(pull) ? undefined : await parts.store.get(image, pull);
  return present ?? parts.store.pull(image, { ...pull, ...options, unpack: true });
}

function recordOf(container: Container): NonNullable<Container['record']> {
  if (!container.record) throw new GantryError('CORRUPT_STATE', `container ${container.id}: it has no record`);
  return container.record;
}
