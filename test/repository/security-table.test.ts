import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../../scripts/lib/paths.mjs';

const link = /^\[[\w-]+\]\(\.\.\/([^)]+)\): (.+)$/;

it('names a test that is there for every attack', () => {
  const rows = readFileSync(join(root, 'docs/security.md'), 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\| (attack|---) /.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  expect(rows.length).toBeGreaterThan(35);
  const faults = rows.flatMap(([, attack, tests = '']) =>
    tests.split('; ').flatMap((text) => {
      const [, file, names] = link.exec(text) ?? [];
      if (file === undefined || names === undefined) return [`${attack}: '${text}' names no test`];
      const source = readFileSync(join(root, file), 'utf8');
      // A name may have a comma in it: then each part of it is there.
      const missing = names.split(', ').filter((name) => !source.includes(name.replaceAll('`', '')));
      return missing.map((name) => `${attack}: ${file} has no '${name}'`);
    }),
  );
  expect(faults).toEqual([]);
});
