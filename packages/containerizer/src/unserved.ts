import { type ContainerSpec, GantryError, type Isolator } from '@gantry/interface';

const networking = 'network/cni';
const fields = ['networks', 'ports', 'dns', 'extraHosts'] as const;

/** What only some isolators see to: without them it is refused, not skipped. */
export function refuseUnserved(spec: ContainerSpec, isolators: readonly Isolator[]): void {
  refuseNetworks(spec, isolators);
  if (spec.mounts || spec.secretEnv) refuseVolumes(spec, isolators);
}

/** Fields that only one isolator sees to. */
function refuseNetworks(spec: ContainerSpec, isolators: readonly Isolator[]): void {
  const asked = fields.find((field) => spec[field] !== undefined);
  if (asked === undefined || isolators.some(({ name }) => name === networking)) return;
  throw new GantryError(
    'REFUSED',
    `spec.${asked}: no isolator sees to it; add ${networking}, which @gantry/cni makes`,
    {
      details: { field: `spec.${asked}`, isolator: networking },
    },
  );
}

/** Mounts and secrets, by what isolators say that they serve. */
function refuseVolumes(spec: ContainerSpec, isolators: readonly Isolator[]): void {
  const served = new Set(isolators.flatMap(({ serves = [] }) => serves));
  const wanted = [
    ...(spec.mounts ?? []).map(({ type }, index) => [`mounts.${type}`, `spec.mounts[${index}]`] as const),
    ...(spec.secretEnv ? [['secretEnv', 'spec.secretEnv'] as const] : []),
  ];
  const missing = wanted.find(([what]) => !served.has(what));
  if (!missing) return;
  const [what, field] = missing;
  throw new GantryError('REFUSED', `${field}: no isolator serves ${what}; give createContainerizer one that does`, {
    details: { field, serves: what },
  });
}
