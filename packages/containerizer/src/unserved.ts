import { type ContainerSpec, GantryError, type Isolator } from '@gantry/interface';

/** Fields that only one isolator sees to, and where that one comes from. */
const served: readonly (readonly [field: keyof ContainerSpec, isolator: string, from: string])[] = [
  ...(['networks', 'ports', 'dns', 'extraHosts'] as const).map(
    (field) => [field, 'network/cni', '@gantry/cni makes'] as const,
  ),
  ['egress', 'network/egress', 'is one of @gantry/isolators'],
  ['landlock', 'linux/landlock', 'is one of @gantry/isolators'],
  ['listenPorts', 'network/ports', 'is one of @gantry/isolators'],
];

/** What only some isolators see to: without them it is refused, not skipped. */
export function refuseUnserved(spec: ContainerSpec, isolators: readonly Isolator[]): void {
  refuseFields(spec, isolators);
  if (spec.network === 'user') refuseUserNetwork(isolators);
  if (spec.mounts || spec.secretEnv || spec.devices || spec.resources?.gpus) refuseByService(spec, isolators);
}

function refuseFields(spec: ContainerSpec, isolators: readonly Isolator[]): void {
  for (const [field, isolator, from] of served) {
    if (spec[field] === undefined || isolators.some(({ name }) => name === isolator)) continue;
    throw new GantryError('REFUSED', `spec.${field}: no isolator sees to it; add ${isolator}, which ${from}`, {
      details: { field: `spec.${field}`, isolator },
    });
  }
}

/** The one attaches, the other keeps the host's loopback apart. */
function refuseUserNetwork(isolators: readonly Isolator[]): void {
  for (const isolator of ['network/cni', 'network/egress']) {
    if (isolators.some(({ name }) => name === isolator)) continue;
    throw new GantryError('REFUSED', `spec.network: 'user' needs the isolator ${isolator}; add it`, {
      details: { field: 'spec.network', isolator },
    });
  }
}

/** Mounts, secrets and devices, by what isolators say that they serve. */
function refuseByService(spec: ContainerSpec, isolators: readonly Isolator[]): void {
  const served = new Set(isolators.flatMap(({ serves = [] }) => serves));
  const wanted = [
    ...(spec.mounts ?? []).map(({ type }, index) => [`mounts.${type}`, `spec.mounts[${index}]`] as const),
    ...(spec.secretEnv ? [['secretEnv', 'spec.secretEnv'] as const] : []),
    ...(spec.resources?.gpus ? [['resources.gpus', 'spec.resources.gpus'] as const] : []),
    ...(spec.devices ?? []).flatMap((device, index) =>
      'cdi' in device ? [['devices.cdi', `spec.devices[${index}]`] as const] : [],
    ),
  ];
  const missing = wanted.find(([what]) => !served.has(what));
  if (!missing) return;
  const [what, field] = missing;
  throw new GantryError('REFUSED', `${field}: no isolator serves ${what}; give createContainerizer one that does`, {
    details: { field, serves: what },
  });
}
