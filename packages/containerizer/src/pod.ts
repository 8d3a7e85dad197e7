import { createHash, randomUUID } from 'node:crypto';
import type {
  ContainerId,
  ContainerMount,
  ContainerTermination,
  PodContainer,
  PodSpec,
  PodVolumeMount,
} from '@gantry/interface';
import * as is from './fields.js';
import type { PodRecord } from './record.js';
import { type CheckedSpec, canonical, checkId, checkSpec, mountWithoutCredentials, sharedNamespaces } from './spec.js';
import type { PodVolumes } from './volumes.js';

/** A pod as the containers it is made of. */
export interface CheckedPod {
  readonly sandbox: CheckedSpec;
  readonly containers: readonly CheckedSpec[];
  readonly record: PodRecord;
}

const volumeName: is.Check = (value, field) => checkId(value, field);
const volumeMount = is.object({ type: is.string, source: volumeName, target: is.absolutePath, readonly: is.boolean }, [
  'source',
  'target',
]);

const anything: is.Check = () => undefined;
/** What is the sandbox's is checked as its spec, and each container as its own. */
const check = is.object(
  {
    id: checkId,
    containers: is.list(anything),
    share: sharedNamespaces,
    hostname: anything,
    userNamespace: anything,
    network: anything,
    networks: anything,
    ports: anything,
    egress: anything,
    dns: anything,
    extraHosts: anything,
    sysctls: anything,
    labels: anything,
    volumes: is.list(volumeName),
    endsWith: is.oneOf('first', 'failure', 'last'),
  },
  ['containers'],
);

/** Of the pod itself, so not for one of its containers to say. */
const ofPod = [
  'parent',
  'share',
  'network',
  'networks',
  'ports',
  'egress',
  'dns',
  'extraHosts',
  'hostname',
  'userNamespace',
  'sandbox',
] as const;

/** Checks a pod's spec as `checkSpec` does a container's, and gives everything in it an id. */
export function checkPod(spec: PodSpec, volumes: PodVolumes): CheckedPod {
  check(spec, 'spec');
  if (spec.containers.length === 0) throw is.invalid('spec.containers', 'must not be empty');
  const names = spec.volumes ?? [];
  if (new Set(names).size !== names.length) throw is.invalid('spec.volumes', 'names a volume twice');
  const { share = ['network', 'ipc', 'uts'] } = spec;
  const { hostname, userNamespace, network, networks, ports, egress, dns, extraHosts, sysctls, labels } = spec;
  const ofSandbox = { hostname, userNamespace, network, networks, ports, egress, dns, extraHosts, sysctls, labels };
  const given = Object.entries(ofSandbox).filter(([, value]) => value !== undefined);
  const sandbox = checkSpec({
    ...(spec.id === undefined ? {} : { id: spec.id }),
    ...Object.fromEntries(given),
    sandbox: true,
  });
  const containers = spec.containers.map((container, index) => {
    const field = `spec.containers[${index}]`;
    const taken = ofPod.find((name) => name in container);
    if (taken) throw is.invalid(`${field}.${taken}`, 'is for the pod to say');
    const { mounts: given, ...own } = container;
    const mounts = resolveMounts(given, field, { pod: sandbox.id, names, volumes });
    return checkSpec({ id: randomUUID(), ...own, ...mounts, parent: sandbox.id, share }, field);
  });
  const ids = [sandbox, ...containers].map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw is.invalid('spec.containers', `there are two containers of the id ${twice}`);
  const record: PodRecord = {
    digest: digestOf(spec),
    containers: ids.slice(1),
    volumes: names,
    endsWith: spec.endsWith ?? 'failure',
  };
  return { sandbox, containers, record };
}

/** Whether a pod is to end, given how those of its containers that have ended did. */
export function isOver(endsWith: PodRecord['endsWith'], ends: readonly (ContainerTermination | undefined)[]): boolean {
  const ended = ends.filter((end) => end !== undefined);
  if (ended.length === ends.length) return true;
  if (endsWith === 'first') return ended.length > 0;
  return endsWith === 'failure' && ended.some(({ exit }) => exit?.type !== 'exited' || exit.code !== 0);
}

function resolveMounts(
  mounts: PodContainer['mounts'],
  field: string,
  {
    pod,
    names,
    volumes,
  }: { readonly pod: ContainerId; readonly names: readonly string[]; readonly volumes: PodVolumes },
): { readonly mounts?: readonly ContainerMount[] } {
  if (mounts === undefined) return {};
  is.list(anything)(mounts, `${field}.mounts`);
  const resolved = mounts.map((mount, index): ContainerMount => {
    // What is none of ours is checked with the container's spec.
    if (!isVolume(mount)) return mount;
    const place = `${field}.mounts[${index}]`;
    volumeMount(mount, place);
    const { source } = mount;
    if (!names.includes(source)) throw is.invalid(`${place}.source`, `the pod has no volume ${source}`);
    return { ...mount, type: 'bind', source: volumes.path(pod, source) };
  });
  return { mounts: resolved };
}

function isVolume(mount: ContainerMount | PodVolumeMount): mount is PodVolumeMount {
  return (mount as { type?: unknown } | null)?.type === 'volume';
}

/** Credentials are left out, so that new ones do not make it another pod. */
function digestOf(spec: PodSpec): string {
  const containers = spec.containers.map(({ pull, mounts, ...container }) => ({
    ...container,
    ...(pull ? { pull: { ...pull, credentials: undefined } } : {}),
    ...(mounts ? { mounts: mounts.map(mountWithoutCredentials) } : {}),
  }));
  return createHash('sha256')
    .update(canonical({ ...spec, containers }))
    .digest('hex');
}
