import { healthCheckFields, parseImageConfig } from '@gantry/image-spec';
import type { Digest, ImageConfig } from '@gantry/interface';

/**
 * The OCI config document of an image that is made here, of layers, lowest first. The same input gives the same bytes.
 * `INVALID_DOCUMENT` for a config that no image could have. OCI image-spec, config.md.
 */
export function configDocument(config: ImageConfig, diffIds: readonly Digest[]): Uint8Array {
  const { os, architecture, variant, osVersion } = config.platform;
  const document = {
    ...(config.created !== undefined && { created: config.created }),
    architecture,
    os,
    ...(osVersion !== undefined && { 'os.version': osVersion }),
    ...(variant !== undefined && { variant }),
    config: runFields(config),
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map(() => ({ created_by: 'gantry' })),
  };
  const bytes = Buffer.from(JSON.stringify(document));
  parseImageConfig(bytes);
  return bytes;
}

function runFields(config: ImageConfig): Readonly<Record<string, unknown>> {
  const { user, entrypoint, cmd, env, workingDir, stopSignal, exposedPorts, volumes, labels, supplementaryGids } =
    config;
  const { healthCheck } = config;
  const fields = {
    User: user,
    ExposedPorts: asSet(exposedPorts),
    Env: env,
    Entrypoint: entrypoint,
    Cmd: cmd,
    Volumes: asSet(volumes),
    WorkingDir: workingDir,
    Labels: Object.fromEntries(labels),
    StopSignal: stopSignal,
    SupplementaryGids: supplementaryGids ?? [],
    Healthcheck: healthCheck ? healthCheckFields(healthCheck) : [],
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => Object.keys(value).length > 0));
}

function asSet(names: readonly string[]): Readonly<Record<string, object>> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}
