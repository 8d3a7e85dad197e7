import {
  GantryError,
  type PodContainer,
  type PodSpec,
  type PodVolumeMount,
  type PortMapping,
  type PortProtocol,
  type SeccompSetting,
} from '@gantry/interface';
import { quote } from '../quote.js';
import type { AppcIsolation } from './isolation.js';
import type { AppcPod, AppcPodApp, AppcPodMount, AppcPodPort } from './pod.js';

/** One of ours for an appc pod: what `launchPod` takes. */
export type AppcPodSpec = Pick<PodSpec, 'ports' | 'sysctls' | 'labels' | 'volumes'> & {
  /** In the order of the apps. */
  readonly containers: readonly PodContainer[];
};

type Mounts = NonNullable<PodContainer['mounts']>;

/**
 * Says an appc pod as one of ours. `images` has, by app name, under which reference the store has each app's image. Ports
 * need `network: 'user'` or `networks`, which are the caller's to add.
 *
 * An empty volume is a folder that every app may write to, whatever mode and owner it asks for; no_new_privs is on whatever
 * an app asks for; isolators without a meaning and annotations are left out. `INVALID_ARGUMENT` (field `images`) for an app without
 * a reference. `UNSUPPORTED`, with the app in `details.app`, for what pods of ours have not: limits on a whole pod and other
 * isolators of it than sysctls, event handlers, wildcards for system calls, supplementary groups beside a user that the pod
 * manifest gives, protocols other than tcp, udp and sctp.
 */
export function appcPodSpec(pod: AppcPod, images: ReadonlyMap<string, string>): AppcPodSpec {
  const { sysctls, ignored: _, ...ofPod } = pod.isolation;
  const [isolator] = Object.keys(ofPod);
  if (isolator !== undefined) throw unsupported(`${isolator} of a whole pod`);
  const empty = [...pod.volumes, ...pod.apps.flatMap(ownVolumes(pod))].filter(({ kind }) => kind === 'empty');
  return {
    containers: pod.apps.map((app) => container(app, pod, images)),
    ...(empty.length > 0 && { volumes: [...new Set(empty.map(({ name }) => name))] }),
    ...(pod.ports.length > 0 && { ports: pod.ports.map(mapping) }),
    ...(sysctls && { sysctls: record(sysctls) }),
    ...(pod.labels.size > 0 && { labels: record(pod.labels) }),
  };
}

function container(app: AppcPodApp, pod: AppcPod, images: ReadonlyMap<string, string>): PodContainer {
  const image = images.get(app.name);
  if (image === undefined) {
    throw new GantryError('INVALID_ARGUMENT', `images: there is none for the app ${quote(app.name)}`, {
      details: { field: 'images', app: app.name },
    });
  }
  if (app.eventHandlers.length > 0) throw unsupported('event handlers', app);
  // Those of its image's own user come with the image.
  if (app.container.user !== undefined && app.supplementaryGids.length > 0) {
    throw unsupported('supplementary groups of a user that the pod manifest gives', app);
  }
  const { resources, capabilities, seccomp, sysctls } = app.isolation;
  if (sysctls) throw unsupported('sysctls of one app', app);
  const mounts: Mounts = app.mounts.map((mount) => mountOf(mount, app, pod));
  return {
    image,
    ...app.container,
    ...(mounts.length > 0 && { mounts }),
    ...(resources && { resources }),
    ...(capabilities && { capabilities }),
    ...(seccomp && { seccomp: seccompOf(seccomp, app) }),
    ...(app.labels.size > 0 && { labels: record(app.labels) }),
  };
}

/** Volumes of an app that are not the pod's, by a name that no volume of the pod can have. */
const ownVolumes = (pod: AppcPod) => (app: AppcPodApp) =>
  app.mounts
    .map(({ volume }) => volume)
    .filter((volume) => !pod.volumes.includes(volume))
    .map((volume) => ({ kind: volume.kind, name: `${app.name}.${volume.name}` }));

function mountOf({ volume, target, readonly }: AppcPodMount, app: AppcPodApp, pod: AppcPod): Mounts[number] {
  if (volume.kind === 'host') {
    return { type: 'bind', source: volume.source, target, readonly, recursive: volume.recursive };
  }
  const source = pod.volumes.includes(volume) ? volume.name : `${app.name}.${volume.name}`;
  return { type: 'volume', source, target, readonly } satisfies PodVolumeMount;
}

function mapping({ name, protocol, hostPort, hostIp, containerPort, count }: AppcPodPort): PortMapping {
  if (!isProtocol(protocol)) throw unsupported(`the protocol ${quote(protocol)} of the port ${quote(name)}`);
  return { containerPort, hostPort, protocol, count, ...(hostIp !== undefined && { hostIp }) };
}

const isProtocol = (protocol: string): protocol is PortProtocol => ['tcp', 'udp', 'sctp'].includes(protocol);

/** A set of the calls that are allowed, or of those that are blocked. */
function seccompOf(asked: NonNullable<AppcIsolation['seccomp']>, app: AppcPodApp): SeccompSetting {
  const wildcard = asked.set.find((name) => name.startsWith('@'));
  if (wildcard !== undefined) throw unsupported(`the set ${quote(wildcard)} of system calls`, app);
  const blocked = asked.errno === undefined ? 'SCMP_ACT_KILL_PROCESS' : 'SCMP_ACT_ERRNO';
  const errno = asked.errno === undefined ? {} : { errno: asked.errno };
  const names = [...asked.set];
  if (asked.mode === 'remove') {
    return { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names, action: blocked, ...errno }] };
  }
  const defaultErrno = asked.errno === undefined ? {} : { defaultErrno: asked.errno };
  return { defaultAction: blocked, ...defaultErrno, syscalls: [{ names, action: 'SCMP_ACT_ALLOW' }] };
}

/** Of no prototype, so that `__proto__` is a name like others. */
function record(map: ReadonlyMap<string, string>): Record<string, string> {
  return Object.assign(Object.create(null), Object.fromEntries(map));
}

function unsupported(what: string, app?: AppcPodApp): GantryError {
  const whose = app ? ` (app ${quote(app.name)})` : '';
  return new GantryError('UNSUPPORTED', `appc pod: pods have no ${what}${whose}; leave it out of the manifest`, {
    details: app ? { app: app.name } : {},
  });
}
