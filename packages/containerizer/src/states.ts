import { type ContainerState, GantryError } from '@gantry/interface';

/** Which state may follow which. Any state before DESTROYED may go to DESTROYING: a container can be ended at every moment. */
export const transitions: Readonly<Record<ContainerState, readonly ContainerState[]>> = {
  STARTING: ['PROVISIONING', 'DESTROYING'],
  PROVISIONING: ['PREPARING', 'DESTROYING'],
  PREPARING: ['ISOLATING', 'DESTROYING'],
  ISOLATING: ['RUNNING', 'DESTROYING'],
  RUNNING: ['PAUSED', 'DESTROYING'],
  PAUSED: ['RUNNING', 'DESTROYING'],
  DESTROYING: ['DESTROYED'],
  DESTROYED: [],
};

/** Throws `WRONG_STATE` for a transition that the table does not have. */
export function checkTransition(from: ContainerState, to: ContainerState): void {
  if (!transitions[from].includes(to))
    throw new GantryError('WRONG_STATE', `a container cannot go from ${from} to ${to}`);
}
