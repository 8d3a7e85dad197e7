import { type Digest, GantryError, type Platform } from '@gantry/interface';
import { parseImageConfig } from '../image-config.js';
import { hostPlatform } from '../platform.js';
import type { AppcApp, AppcPort } from './app.js';
import type { AppcImageManifest } from './image-manifest.js';
import { platformOfLabels } from './platform.js';

/** More ports than any application listens on would make a config that nothing reads. */
const maxPorts = 8192;

/** Annotations and labels that OCI image-spec, annotations.md, has names for. */
const ociNames: ReadonlyMap<string, string> = new Map([
  ['authors', 'org.opencontainers.image.authors'],
  ['created', 'org.opencontainers.image.created'],
  ['documentation', 'org.opencontainers.image.documentation'],
  ['homepage', 'org.opencontainers.image.url'],
  ['version', 'org.opencontainers.image.version'],
]);

/**
 * Makes the image config document of an appc image. `manifests` are in render order, the image itself last; `diffIds` are
 * those of the layers made of them, as many. How to run comes from the last one alone: exec becomes the entry point, mount
 * points volumes; user labels, annotations and labels become labels, the later of one name winning. Isolators and event
 * handlers have no place in a config; see {@link appcPod}. The same arguments give the same bytes.
 *
 * An image that tells no `os` and `arch` suits any platform, and is taken for `platform`, the host's if not given.
 * `INVALID_ARGUMENT` (field `diffIds`) if there are not as many as manifests; `UNSUPPORTED` for a user or group that is
 * told by a file's owner; `LIMIT_EXCEEDED` for more than 8192 ports.
 */
export function appcImageConfig(
  manifests: readonly AppcImageManifest[],
  diffIds: readonly Digest[],
  platform: Platform = hostPlatform(),
): Uint8Array {
  const image = manifests.at(-1);
  if (image === undefined || manifests.length !== diffIds.length) {
    throw new GantryError(
      'INVALID_ARGUMENT',
      `diff ids: want one a manifest, ${manifests.length}, but there are ${diffIds.length}`,
      { details: { field: 'diffIds' } },
    );
  }
  const { os, architecture, variant } =
    manifests.map((one) => platformOfLabels(one.labels)).findLast(Boolean) ?? platform;
  const created = image.annotations.get('created');
  const document = {
    ...(created && { created }),
    architecture,
    os,
    ...(variant && { variant }),
    config: { ...(image.app && runConfig(image.name, image.app)), Labels: readLabels(image) },
    rootfs: { type: 'layers', diff_ids: diffIds },
  };
  const bytes = new TextEncoder().encode(JSON.stringify(document));
  parseImageConfig(bytes);
  return bytes;
}

function runConfig(image: string, app: AppcApp): object {
  return {
    User: appcUser(`appc image ${image}`, '$.app', app),
    Entrypoint: app.exec,
    Env: [...app.environment].map(([name, value]) => `${name}=${value}`),
    WorkingDir: app.workingDirectory,
    ExposedPorts: Object.fromEntries(exposedPorts(image, app.ports).map((port) => [port, {}])),
    Volumes: Object.fromEntries(app.mountPoints.map((point) => [point.path, {}])),
    ...(app.supplementaryGids.length > 0 && { SupplementaryGids: app.supplementaryGids }),
  };
}

/** `user:group` of an app that stands at `path` of a document. */
export function appcUser(document: string, path: string, app: AppcApp): string {
  for (const field of ['user', 'group'] as const) {
    if (!app[field].startsWith('/')) continue;
    throw new GantryError(
      'UNSUPPORTED',
      `${document} at ${path}.${field}: the owner of a file cannot be used; want a name or a number`,
      { details: { path: `${path}.${field}` } },
    );
  }
  return `${app.user}:${app.group}`;
}

/** `4000/tcp`, one for each port of a range. */
function exposedPorts(image: string, ports: readonly AppcPort[]): readonly string[] {
  const total = ports.reduce((sum, port) => sum + port.count, 0);
  if (total > maxPorts) {
    throw new GantryError('LIMIT_EXCEEDED', `appc image ${image} at $.app.ports: more than ${maxPorts} ports`, {
      details: { path: '$.app.ports', limit: maxPorts },
    });
  }
  return ports.flatMap(({ port, count, protocol }) =>
    Array.from({ length: count }, (_, index) => `${port + index}/${protocol}`),
  );
}

function readLabels(image: AppcImageManifest): Record<string, string> {
  const renamed = (entries: Iterable<[string, string]>) =>
    [...entries].map(([name, value]): [string, string] => [ociNames.get(name) ?? name, value]);
  return Object.fromEntries([
    ...(image.app?.userLabels ?? []),
    ...renamed(image.annotations),
    ['org.opencontainers.image.title', image.name],
    ...renamed(image.labels),
  ]);
}
