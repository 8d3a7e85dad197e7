import type { Isolator } from '@gantry/interface';

/**
 * `namespaces/cgroup`: the container sees its own control group as the root, in /proc/self/cgroup on v1 and v2 and in
 * the tree that `filesystem/linux` mounts on v2. The namespace is to be made after the control groups are joined:
 * where its maker is at that moment becomes its root.
 */
export function namespacesCgroup(): Isolator {
  return {
    name: 'namespaces/cgroup',
    async edits() {
      return { namespaces: [{ type: 'cgroup' }] };
    },
  };
}
