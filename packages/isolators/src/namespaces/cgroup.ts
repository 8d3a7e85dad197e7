import type { Isolator } from '@gantry/interface';

/**
 * `namespaces/cgroup`: on v2 the container sees its own control group as the root, in /proc/self/cgroup and in the
 * tree that `filesystem/linux` mounts: the group that clone3(2) puts a process into becomes the root of its namespace.
 * v1 groups are joined after the clone, so /proc/self/cgroup still shows their path, which tells no more than the
 * container's id; nothing else of the tree can be seen, since on v1 none of it is mounted.
 */
export function namespacesCgroup(): Isolator {
  return {
    name: 'namespaces/cgroup',
    async edits() {
      return { namespaces: [{ type: 'cgroup' }] };
    },
  };
}
