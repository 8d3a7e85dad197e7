import {
  type CallOptions,
  type ContainerId,
  type ContainerTermination,
  type ExitStatus,
  GantryError,
  isGantryError,
  type LaunchedContainer,
  type RecoveryReport,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { cleanUp } from './cleanup.js';
import { killAndWait } from './ending.js';
import { adopt, readBootId } from './owner.js';
import type { ContainerizerParts } from './parts.js';
import type { ContainerRecord } from './record.js';
import { isSpare, removeDeadSpares } from './spare-groups.js';
import type { StateFolder, StateRoot } from './state-folder.js';

/** What recovery found of one container. */
export type Found =
  | { readonly type: 'ended'; readonly record: ContainerRecord; readonly termination: ContainerTermination }
  | {
      readonly type: 'running';
      readonly record: ContainerRecord;
      readonly handle: LaunchedContainer;
      readonly foreign: boolean;
    }
  | {
      readonly type: 'gone';
      readonly record: ContainerRecord;
      readonly exit?: ExitStatus;
      readonly failure?: GantryError;
    }
  | { readonly type: 'busy' };

/**
 * Looks at one container folder and makes its owner certain. Signals only processes that are surely the container's:
 * those that its shim guards, or whose boot, pid and start time are those of the record.
 */
export async function inspect(folder: StateFolder, root: StateRoot, parts: ContainerizerParts): Promise<Found> {
  const process = await folder.readProcess();
  const record = { ...(process?.startedAt ? { startedAt: process.startedAt } : {}), ...(await folder.readRecord()) };
  const termination = await folder.readTermination();
  if (termination) return { type: 'ended', record, termination };
  const owner = await adopt(folder.path, root.owner);
  const foreign = owner.instance !== root.owner.instance;
  // First: a shim that has written it answers for another moment, but there is nothing left to take over.
  const exit = await parts.launcher.readExit(folder.path);
  if (exit && !foreign) return { type: 'gone', record, exit };
  const handle = record.bootId === readBootId() ? await parts.launcher.connect(folder.id, folder.path) : undefined;
  const whole = foreign || ((await folder.hasRequest()) && (!record.pod || (await folder.isComplete())));
  if (handle?.released && whole) return { type: 'running', record, handle, foreign };
  if (foreign) {
    await handle?.[Symbol.asyncDispose]();
    return { type: 'busy' };
  }
  if (handle) {
    await killAndWait(handle, parts.launcher);
    await handle[Symbol.asyncDispose]();
    return { type: 'gone', record, failure: halfLaunched(folder.id) };
  }
  // It may have been written since.
  const late = await parts.launcher.readExit(folder.path);
  if (late) return { type: 'gone', record, exit: late };
  if (!process) return { type: 'gone', record, failure: halfLaunched(folder.id) };
  await parts.launcher.killOrphan(process);
  const reason =
    record.bootId === readBootId() ? 'the shim was lost while no host program ran' : 'the machine restarted';
  return { type: 'gone', record, exit: { type: 'unknown', reason, at: Date.now() } };
}

function halfLaunched(id: ContainerId): GantryError {
  return new GantryError('ABORTED', `container ${id}: its host program ended before the launch was complete`);
}

/**
 * The ids in groups of the same depth of nesting, the deepest first, so that every container is known before its parent
 * is looked at. One whose record cannot be read counts as nobody's child.
 */
export async function byDepth(ids: readonly ContainerId[], root: StateRoot): Promise<readonly ContainerId[][]> {
  const parents = new Map<ContainerId, ContainerId | undefined>();
  for (const id of ids) {
    const record = await readable(() => root.of(id).readRecord()).catch(() => undefined);
    parents.set(id, record?.spec.parent);
  }
  const depthOf = (id: ContainerId): number => {
    const path = new Set<ContainerId>();
    for (let next: ContainerId | undefined = id; next !== undefined && !path.has(next); next = parents.get(next))
      path.add(next);
    return path.size;
  };
  const depths = ids.map(depthOf);
  const deepestFirst = [...new Set(depths)].sort((a, b) => b - a);
  return deepestFirst.map((depth) => ids.filter((_, index) => depths[index] === depth));
}

/** Ends and cleans up a container whose record cannot be read, and gives it a termination that says so. */
export async function buryCorrupt(
  folder: StateFolder,
  root: StateRoot,
  parts: ContainerizerParts,
  error: GantryError,
): Promise<void> {
  if ((await adopt(folder.path, root.owner)).instance !== root.owner.instance) return;
  if (await readable(() => folder.readTermination())) return;
  const handle = await parts.launcher.connect(folder.id, folder.path);
  if (handle) {
    await killAndWait(handle, parts.launcher);
    await handle[Symbol.asyncDispose]();
  }
  const failed = await cleanUp(folder.id, parts);
  if (failed.length > 0) throw cleanUpFailed(folder.id, failed);
  await folder.writeTermination({
    id: folder.id,
    failure: { code: error.code, message: error.message },
    destroyed: false,
    at: Date.now(),
  });
}

async function readable<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (isGantryError(error, 'CORRUPT_STATE')) return undefined;
    throw error;
  }
}

/** The error for clean-up steps that failed; they are kept and retried. */
export function cleanUpFailed(
  id: ContainerId,
  steps: readonly { readonly name: string; readonly message: string }[],
): GantryError {
  const list = steps.map((step) => `${step.name}: ${step.message}`).join('; ');
  return new GantryError('CLEANUP_FAILED', `container ${id}: ${list}; call destroy again once the cause is gone`, {
    details: { id, steps },
  });
}

/** Cleans up what provisioner, isolators and store hold for ids that have no container folder. */
export async function reapUnknown(
  root: StateRoot,
  parts: ContainerizerParts,
  report: { readonly cleaned: ContainerId[]; readonly failed: RecoveryReport['failed'][number][] },
): Promise<void> {
  const held = new Set<ContainerId>();
  for await (const id of parts.provisioner.list()) held.add(id);
  for await (const id of parts.volumes.list()) held.add(id);
  try {
    for await (const id of parts.leases.list()) held.add(id);
  } catch (error) {
    // A lease that cannot be read may be anybody's: it stays, and is no reason to leave the rest.
    report.failed.push({ id: '', message: toGantryError(error, 'leases of the store').message });
  }
  for (const isolator of parts.isolators) {
    if (isolator.list) for await (const id of isolator.list()) held.add(id);
  }
  for (const id of held) {
    // Looked up now, not before: a folder always precedes what is made for it, so an id without one is nobody's.
    if (await root.has(id)) continue;
    if (isSpare(id)) continue;
    const failed = await cleanUp(id, parts);
    if (failed.length === 0) report.cleaned.push(id);
    else report.failed.push({ id, message: toGantryError(cleanUpFailed(id, failed), id).message });
  }
  try {
    await removeDeadSpares(parts.isolators);
  } catch (error) {
    report.failed.push({ id: '', message: toGantryError(error, 'control groups made ahead').message });
  }
}

/** Lets isolators see to what no id leads to. One that fails is no reason to leave the others. */
export async function recoverIsolators(
  { isolators }: ContainerizerParts,
  report: { readonly failed: RecoveryReport['failed'][number][] },
  options: CallOptions,
): Promise<void> {
  for (const isolator of isolators) {
    throwIfAborted(options.signal, `recovering isolator ${isolator.name}`);
    try {
      await isolator.recover?.(options);
    } catch (error) {
      report.failed.push({ id: '', message: toGantryError(error, `isolator ${isolator.name}`).message });
    }
  }
}
