import { type ContainerSpec, GantryError, type Isolator } from '@gantry/interface';

const networking = 'network/cni';
const fields = ['networks', 'ports', 'dns', 'extraHosts'] as const;

/** Fields that only one isolator sees to: without it they are refused, not skipped. */
export function refuseUnserved(spec: ContainerSpec, isolators: readonly Isolator[]): void {
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
