import {
  type CleanupStep,
  type ContainerId,
  type ContainerTermination,
  type Digest,
  GantryError,
  type LaunchRequest,
  type Limitation,
  type PodSpec,
  type ProcessIdentity,
  type Resources,
} from '@gantry/interface';
import type { CheckedSpec } from './spec.js';

const recordVersion = 1;

/** What is written of a container, before the step that it announces, so that recovery knows what may exist. */
export interface ContainerRecord {
  readonly version: typeof recordVersion;
  /** Without credentials. */
  readonly spec: CheckedSpec;
  readonly bootId: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly image?: { readonly reference: string; readonly digest: Digest };
  /** A number: the names differ between machines. */
  readonly stopSignal: number;
  readonly startedAt?: number;
  readonly timings: Readonly<Record<string, number>>;
  readonly failedSteps: readonly CleanupStep[];
  /** That it is to be stopped where it is. */
  readonly paused?: boolean;
  /** In place of the spec's. */
  readonly resources?: Resources;
  /** For which it is being ended. */
  readonly limitation?: Limitation;
  /** Of a pod's sandbox. */
  readonly pod?: PodRecord;
}

/** What is known of a pod besides its sandbox. */
export interface PodRecord {
  /** Of the spec it was launched from, to tell another one. */
  readonly digest: string;
  /** In the order of the spec. */
  readonly containers: readonly ContainerId[];
  readonly volumes: readonly string[];
  readonly endsWith: NonNullable<PodSpec['endsWith']>;
}

export function newRecord(fields: Omit<ContainerRecord, 'version' | 'timings' | 'failedSteps'>): ContainerRecord {
  return { version: recordVersion, timings: {}, failedSteps: [], ...fields };
}

/** Decodes a record; `CORRUPT_STATE` with the path for one that is torn, `UNSUPPORTED` for another release's. */
export function parseRecord(text: string, path: string): ContainerRecord {
  const value = parseObject(text, path);
  const { version } = value;
  if (typeof version === 'number' && version !== recordVersion) {
    const why = `its version is ${version}, not ${recordVersion}: recover it with the release of Gantry that wrote it`;
    throw new GantryError('UNSUPPORTED', `${path}: ${why}`, { details: { path, version } });
  }
  const spec = value['spec'] as CheckedSpec | null | undefined;
  const complete =
    version === recordVersion &&
    typeof spec?.id === 'string' &&
    typeof value['bootId'] === 'string' &&
    typeof value['createdAt'] === 'number' &&
    typeof value['stopSignal'] === 'number' &&
    typeof value['timings'] === 'object' &&
    Array.isArray(value['failedSteps']);
  if (!complete) throw corrupt(path, 'a field is missing');
  const record = value as unknown as ContainerRecord;
  const { resources } = record;
  return {
    ...record,
    spec: spec.resources ? { ...spec, resources: withUnlimited(spec.resources) } : spec,
    ...(resources ? { resources: withUnlimited(resources) } : {}),
  };
}

/** JSON writes null for a limit that is Infinity. */
function withUnlimited(resources: Resources): Resources {
  if ((resources.limits?.pids as number | null | undefined) !== null) return resources;
  return { ...resources, limits: { ...resources.limits, pids: Number.POSITIVE_INFINITY } };
}

/** Decodes a termination file; `CORRUPT_STATE` as for a record. */
export function parseTermination(text: string, path: string): ContainerTermination {
  const value = parseObject(text, path);
  if (typeof value['id'] !== 'string' || typeof value['at'] !== 'number' || typeof value['destroyed'] !== 'boolean') {
    throw corrupt(path, 'a field is missing');
  }
  return value as unknown as ContainerTermination;
}

/** Decodes a request file; `CORRUPT_STATE` as for a record. */
export function parseRequest(text: string, path: string): LaunchRequest {
  const value = parseObject(text, path);
  const config = value['config'] as LaunchRequest['config'] | null | undefined;
  const complete =
    typeof value['stateDir'] === 'string' && Array.isArray(value['cgroups']) && config?.process && config.linux;
  if (!complete) throw corrupt(path, 'a field is missing');
  return value as unknown as LaunchRequest;
}

/** Which process is the container's, and when it was set up, milliseconds since the epoch. */
export type FirstProcess = ProcessIdentity & Pick<ContainerRecord, 'startedAt'>;

/** Decodes a process file; undefined for one that is torn. */
export function parseProcess(text: string): FirstProcess | undefined {
  try {
    const { pid, startTime, bootId, startedAt } = JSON.parse(text) as Partial<FirstProcess>;
    if (typeof pid !== 'number' || typeof startTime !== 'number' || typeof bootId !== 'string') return undefined;
    return { pid, startTime, bootId, ...(typeof startedAt === 'number' ? { startedAt } : {}) };
  } catch {
    return undefined;
  }
}

function parseObject(text: string, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw corrupt(path, 'it is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw corrupt(path, 'it is not an object');
  return value as Record<string, unknown>;
}

function corrupt(path: string, why: string, cause?: unknown): GantryError {
  return new GantryError('CORRUPT_STATE', `${path}: ${why}`, { cause, details: { path } });
}
