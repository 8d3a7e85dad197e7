import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createIsolators, filesystemPosix, posixCpu, posixMem } from '@gantry/isolators';
import { volumeCsi } from '@gantry/isolators/csi';
import { expect, it } from 'vitest';
import { root } from '../../scripts/lib/paths.mjs';

/** Every isolator there is, of hosts with and without control groups. */
function names(): string[] {
  const cgroups = { version: 'v2', mounts: new Map([['unified', '/sys/fs/cgroup']]) } as const;
  const made = [
    ...createIsolators({ cgroups }),
    ...createIsolators({ cgroups, withoutCgroups: { problem: 'none', remedy: 'none' } }),
    ...[
      filesystemPosix(),
      posixCpu(),
      posixMem(),
      volumeCsi({ drivers: {}, volumes: { root: '/nowhere', place: 'none' } }),
    ],
  ];
  // The networks' is made with a store of attachments.
  return [...new Set([...made.map(({ name }) => name), 'network/cni'])].sort();
}

it('has a section for every isolator, in order, and for nothing else', () => {
  const text = readFileSync(join(root, 'docs/isolators.md'), 'utf8');
  const [first, ...sections] = [...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
  expect(first).toBe('Control groups');
  expect(sections).toEqual(names());
});
