import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../../scripts/lib/paths.mjs';

/** What only one machine or one house knows. Bracketed letters keep this file from finding itself. */
const foreign = [
  { what: "a person's home folder", pattern: /\/(?:home|Users)\/(?!user\b|app\b|node\b)[a-z][\w.-]*\/[\w.-]/ },
  { what: 'a path of a build machine', pattern: /(?<![\w.$}\])*-])\/(?:wor[k]|worksp[a]ce|bui[l]ds)\/[\w.-]/ },
  { what: 'a host of a private network', pattern: /\/\/[\w.-]+\.(?:corp|intranet|lan)\b/ },
  { what: 'a package registry', pattern: /regist[r]y\.npmjs\.org|npm\.pkg\.gith[u]b|deb\.deb[i]an\.org/ },
];

const committed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\0')
  .filter((path) => path !== '' && existsSync(join(root, path)));

it('speaks of Gantry alone in every committed file', () => {
  expect(committed.length).toBeGreaterThan(50);
  const found = committed.flatMap((path) => {
    const lines = readFileSync(join(root, path), 'utf8').split('\n');
    return lines.flatMap((line, index) =>
      foreign
        .filter(({ pattern }) => pattern.test(line))
        .map(({ what }) => `${path}:${index + 1}: ${what}: ${line.trim()}`),
    );
  });
  expect(found).toEqual([]);
});
