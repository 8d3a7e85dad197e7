import type { ContainerId, Isolator, IsolatorStatus } from '@gantry/interface';

/** What isolators have to tell of a container that runs, or is about to. */
export async function tellStatus(isolators: readonly Isolator[], id: ContainerId): Promise<IsolatorStatus> {
  const parts = await Promise.all(isolators.map((isolator) => isolator.status?.(id)));
  return Object.assign({}, ...parts) as IsolatorStatus;
}
