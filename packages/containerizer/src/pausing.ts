import type { CallOptions } from '@gantry/interface';
import type { Container } from './container.js';
import { freeze } from './control.js';
import type { Lifecycle } from './lifecycle.js';
import { groupOwner } from './shared-groups.js';

/** Pauses a container and those nested in it. One that is to be paused is so after a restart of the host program, too. */
export async function pause(life: Lifecycle, container: Container, options: CallOptions): Promise<void> {
  if (container.state === 'RUNNING') {
    await container.amend({ paused: true });
    try {
      await freeze(life.parts, groupOwner(container, life.containers), true, options);
    } catch (error) {
      await container.amend({ paused: false });
      throw error;
    }
    if (container.state === 'RUNNING') container.enter('PAUSED');
  }
  for (const child of life.childrenOf(container)) if (child.isAlive) await pause(life, child, options);
}

/** Lets a container and those nested in it go on. */
export async function resume(life: Lifecycle, container: Container, options: CallOptions): Promise<void> {
  for (const child of life.childrenOf(container)) if (child.isAlive) await resume(life, child, options);
  if (container.state !== 'PAUSED') return;
  await freeze(life.parts, groupOwner(container, life.containers), false, options);
  await container.amend({ paused: false });
  if (container.state === 'PAUSED') container.enter('RUNNING');
}
