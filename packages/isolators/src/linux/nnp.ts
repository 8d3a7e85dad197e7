import type { Isolator } from '@gantry/interface';

/** `linux/nnp`: no program in the container gains privileges by its set-user-id bit or file capabilities. */
export function linuxNnp(): Isolator {
  return {
    name: 'linux/nnp',
    async edits() {
      return { noNewPrivileges: true };
    },
  };
}
