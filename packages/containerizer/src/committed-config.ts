import { decodeJson, healthCheckFields, type JsonObject, type JsonValue, parseImageConfig } from '@gantry/image-spec';
import type { ConfigChanges, Digest } from '@gantry/interface';

/** The layer that was added, and what to say of it. */
export interface AddedLayer {
  readonly diffId: Digest;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly createdBy: string;
  readonly author?: string;
  readonly comment?: string;
}

/**
 * The config document of an image with one layer more: the base's own, unknown fields included, with the changes, the
 * layer and its entry in the history. `INVALID_DOCUMENT` for changes that no image could have. OCI image-spec, config.md.
 */
export function committedConfig(base: Uint8Array, changes: ConfigChanges, layer: AddedLayer): Uint8Array {
  const { diffIds } = parseImageConfig(base);
  const document = decodeJson(base, { what: 'image config' }) as JsonObject;
  const created = new Date(layer.at).toISOString();
  const changed = {
    ...document,
    created,
    ...(layer.author === undefined ? {} : { author: layer.author }),
    config: { ...asObject(document['config']), ...runFields(changes) },
    rootfs: { ...asObject(document['rootfs']), diff_ids: [...diffIds, layer.diffId] },
    history: [
      ...historyOf(document, diffIds.length),
      {
        created,
        created_by: layer.createdBy,
        ...(layer.author === undefined ? {} : { author: layer.author }),
        ...(layer.comment === undefined ? {} : { comment: layer.comment }),
      },
    ],
  };
  const bytes = Buffer.from(JSON.stringify(changed));
  parseImageConfig(bytes);
  return bytes;
}

/** A history has an entry a layer, so one that is missing or short is filled up with entries that say nothing. */
function historyOf(document: JsonObject, layers: number): readonly JsonValue[] {
  const history = Array.isArray(document['history']) ? (document['history'] as readonly JsonValue[]) : [];
  const told = history.filter((entry) => asObject(entry)['empty_layer'] !== true).length;
  return [...history, ...Array.from({ length: Math.max(0, layers - told) }, () => ({}))];
}

function runFields(changes: ConfigChanges): Readonly<Record<string, unknown>> {
  const fields = {
    User: changes.user,
    Entrypoint: changes.entrypoint,
    Cmd: changes.cmd,
    Env: changes.env,
    WorkingDir: changes.workingDir,
    StopSignal: changes.stopSignal,
    ExposedPorts: changes.exposedPorts && asSet(changes.exposedPorts),
    Volumes: changes.volumes && asSet(changes.volumes),
    Labels: changes.labels && Object.fromEntries(changes.labels),
    SupplementaryGids: changes.supplementaryGids,
    Healthcheck: changes.healthCheck && healthCheckFields(changes.healthCheck),
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function asSet(names: readonly string[]): Readonly<Record<string, object>> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}

function asObject(value: JsonValue | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
