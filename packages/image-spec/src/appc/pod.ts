import type { ContainerSpec } from '@gantry/interface';
import { invalidDocument } from '../json/json-fields.js';
import { elementPath } from '../json/json-path.js';
import { quote } from '../quote.js';
import type { AppcApp, AppcEventHandler, AppcPort } from './app.js';
import { appcUser } from './image-config.js';
import type { AppcImageManifest } from './image-manifest.js';
import { type AppcIsolation, isolationOf } from './isolation.js';
import type { AppcPodManifest, AppcRuntimeApp, AppcRuntimeImage } from './pod-manifest.js';
import type { AppcVolume } from './volume.js';

/** A pod in the terms of containers: plain data, for whoever launches it. */
export interface AppcPod {
  readonly apps: readonly AppcPodApp[];
  /** Those that are empty live as long as the pod and are the same folder for every app. */
  readonly volumes: readonly AppcVolume[];
  readonly ports: readonly AppcPodPort[];
  /** What bounds all apps together. */
  readonly isolation: AppcIsolation;
  readonly annotations: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
}

/** One app of a pod: a container. */
export interface AppcPodApp {
  readonly name: string;
  readonly image: AppcRuntimeImage;
  /** What its image's config does not say, or says otherwise. */
  readonly container: Pick<ContainerSpec, 'command' | 'env' | 'workingDir' | 'user' | 'readonlyRootfs'>;
  readonly supplementaryGids: readonly number[];
  readonly mounts: readonly AppcPodMount[];
  readonly isolation: AppcIsolation;
  readonly eventHandlers: readonly AppcEventHandler[];
  readonly annotations: ReadonlyMap<string, string>;
  readonly labels: ReadonlyMap<string, string>;
}

/** A volume in an app. */
export interface AppcPodMount {
  readonly volume: AppcVolume;
  /** Absolute path in the app. */
  readonly target: string;
  readonly readonly: boolean;
}

/** Ports of the host, `hostPort` and the `count - 1` after it, that lead to as many of the pod. */
export interface AppcPodPort {
  readonly name: string;
  readonly protocol: string;
  readonly hostPort: number;
  readonly hostIp?: string;
  readonly containerPort: number;
  readonly count: number;
}

const what = 'appc pod manifest';

/**
 * Says in the terms of containers what a pod manifest asks for. An app that the manifest gives no `app` runs as its image
 * says: `images` has the image manifests, by app name, where they are known. `INVALID_DOCUMENT` with the JSON path of the
 * fault: a mount of a volume that is not there, a mount point without mount, mounts within one another, a port that no
 * app or more than one has; `UNSUPPORTED` for a user or group that is told by a file's owner. appc 0.8, pods.md.
 */
export function appcPod(
  manifest: AppcPodManifest,
  images: ReadonlyMap<string, AppcImageManifest> = new Map(),
): AppcPod {
  const volumes = new Map(manifest.volumes.map((volume) => [volume.name, volume]));
  const effective = manifest.apps.map((app) => app.app ?? images.get(app.name)?.app);
  return {
    apps: manifest.apps.map((app, index) => podApp(app, effective[index], volumes, elementPath('$.apps', index))),
    volumes: manifest.volumes,
    ports: podPorts(manifest, effective),
    isolation: isolationOf(manifest.isolators),
    annotations: new Map([...manifest.userAnnotations, ...manifest.annotations]),
    labels: manifest.userLabels,
  };
}

function podApp(
  runtime: AppcRuntimeApp,
  app: AppcApp | undefined,
  volumes: ReadonlyMap<string, AppcVolume>,
  path: string,
): AppcPodApp {
  const environment = [...(runtime.app?.environment ?? []), ['AC_APP_NAME', runtime.name] as const];
  return {
    name: runtime.name,
    image: runtime.image,
    container: {
      ...(runtime.app && overrides(runtime.app, path)),
      env: Object.assign(Object.create(null), Object.fromEntries(environment)),
      readonlyRootfs: runtime.readonlyRootfs,
    },
    supplementaryGids: app?.supplementaryGids ?? [],
    mounts: podMounts(runtime, app, volumes, path),
    isolation: isolationOf(app?.isolators ?? []),
    eventHandlers: app?.eventHandlers ?? [],
    annotations: new Map([...(app?.userAnnotations ?? []), ...runtime.annotations]),
    labels: app?.userLabels ?? new Map(),
  };
}

function overrides(app: AppcApp, path: string): AppcPodApp['container'] {
  return {
    ...(app.exec.length > 0 && { command: app.exec }),
    workingDir: app.workingDirectory,
    user: appcUser(what, `${path}.app`, app),
  };
}

function podMounts(
  runtime: AppcRuntimeApp,
  app: AppcApp | undefined,
  volumes: ReadonlyMap<string, AppcVolume>,
  path: string,
): readonly AppcPodMount[] {
  const points = new Map((app?.mountPoints ?? []).map((point) => [point.path, point]));
  const mounts = runtime.mounts.map((mount, index): AppcPodMount => {
    const volume = mount.appVolume ?? volumes.get(mount.volume);
    const at = elementPath(`${path}.mounts`, index);
    if (volume === undefined)
      throw invalidDocument(what, `${at}.volume`, `the pod has no volume ${quote(mount.volume)}`);
    return { volume, target: mount.path, readonly: volume.readonly || (points.get(mount.path)?.readonly ?? false) };
  });
  requireApart(mounts, `${path}.mounts`);
  for (const point of points.values()) {
    if (mounts.some((mount) => mount.target === point.path)) continue;
    throw invalidDocument(
      what,
      `${path}.mounts`,
      `no volume for the mount point ${quote(point.name)} at ${quote(point.path)}`,
    );
  }
  return mounts;
}

/** One mount within another would hide it, or be hidden, as the order has it. */
function requireApart(mounts: readonly AppcPodMount[], path: string): void {
  const targets = mounts.map((mount) => `${mount.target === '/' ? '' : mount.target}/`).sort();
  targets.forEach((target, index) => {
    const before = targets[index - 1];
    if (before !== undefined && target.startsWith(before)) {
      throw invalidDocument(what, path, `${quote(before)} and ${quote(target)} overlap`);
    }
  });
}

function podPorts(manifest: AppcPodManifest, apps: readonly (AppcApp | undefined)[]): readonly AppcPodPort[] {
  const offered = apps.flatMap((app) => app?.ports ?? []);
  return manifest.ports.map(({ name, hostPort, hostIp, podPort }, index) => {
    const found = podPort ? [podPort] : offered.filter((port) => port.name === name);
    const [port] = found;
    const at = elementPath('$.ports', index);
    if (port === undefined) throw invalidDocument(what, `${at}.name`, `no app has a port ${quote(name)}`);
    if (found.length > 1) throw invalidDocument(what, `${at}.name`, `more than one app has a port ${quote(name)}`);
    if (hostPort + port.count - 1 > 65_535)
      throw invalidDocument(what, `${at}.hostPort`, 'the range goes beyond 65535');
    return { name, hostPort, ...(hostIp && { hostIp }), ...target(port) };
  });
}

function target({ port, count, protocol }: AppcPort): Pick<AppcPodPort, 'containerPort' | 'count' | 'protocol'> {
  return { containerPort: port, count, protocol };
}
