import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { root, tool } from '../../scripts/lib/paths.mjs';
import { run } from '../../scripts/lib/run.mjs';

const folders: string[] = [];

afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

/** What the import rules say of a repository with these sources, besides an entry point of every package they name. */
async function broken(sources: Record<string, string>): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-imports-'));
  folders.push(folder);
  for (const name of ['.dependency-cruiser.mjs', 'tsconfig.base.json', 'tsconfig.test.json']) {
    await cp(join(root, name), join(folder, name));
  }
  const emptyEntryPoints = [
    'native',
    ...['interface', 'archive', 'store', 'launcher'].map((name) => `packages/${name}`),
  ];
  const all = { ...Object.fromEntries(emptyEntryPoints.map((path) => [`${path}/src/index.ts`, ''])), ...sources };
  for (const [path, text] of Object.entries(all)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), `${text}\nexport const here = '${path}';\n`);
  }
  const rules = ['--config', '.dependency-cruiser.mjs', '--output-type', 'json'];
  const { output } = await run(tool('depcruise'), [...rules, 'native', 'packages'], { cwd: folder });
  const { summary } = JSON.parse(output.slice(output.indexOf('{'))) as {
    summary: { violations: { from: string; rule: { name: string } }[] };
  };
  return [...new Set(summary.violations.map(({ from, rule }) => `${from}: ${rule.name}`))].sort();
}

it('lets a package use the packages below it by their names', async () => {
  expect(
    await broken({
      'packages/archive/src/index.ts': "import '@gantry/interface'; import '@gantry/native'; import './tar.js';",
      'packages/archive/src/tar.ts': '',
      'packages/archive/test/tar.test.ts': "import '../src/tar.js';",
    }),
  ).toEqual([]);
});

it('refuses an import that points up', async () => {
  expect(
    await broken({ 'packages/interface/src/index.ts': "import type { here as there } from '@gantry/store';" }),
  ).toEqual(['packages/interface/src/index.ts: interface-uses-only']);
});

it('refuses the addon to whoever is not listed for it', async () => {
  expect(await broken({ 'packages/store/src/index.ts': "import '@gantry/native';" })).toEqual([
    'packages/store/src/index.ts: store-uses-only',
  ]);
});

it('refuses a way into the insides of another package', async () => {
  expect(
    await broken({
      'packages/archive/src/tar.ts': '',
      'packages/archive/src/index.ts': "import './tar.js';",
      'packages/store/src/index.ts': "import '../../archive/src/tar.js';",
      'packages/store/test/store.test.ts': "import '@gantry/archive/src/tar.js';",
    }),
  ).toEqual(['packages/store/src/index.ts: by-package-name', 'packages/store/test/store.test.ts: found']);
});

it('refuses cycles, also of types', async () => {
  expect(
    await broken({
      'packages/store/src/index.ts': "import type { here as there } from './blob.js';",
      'packages/store/src/blob.ts': "import type { here as there } from './index.js';",
    }),
  ).toEqual(['packages/store/src/blob.ts: no-cycle']);
});

it('refuses sources that nothing but a test reaches', async () => {
  expect(
    await broken({
      'packages/store/src/forgotten.ts': '',
      'packages/store/test/forgotten.test.ts': "import '../src/forgotten.js';",
    }),
  ).toEqual(['packages/store/src/forgotten.ts: no-orphan']);
});

it('refuses sources that import tests', async () => {
  expect(
    await broken({
      'packages/store/src/index.ts': "import '../test/helper.js';",
      'packages/store/test/helper.ts': '',
    }),
  ).toEqual(['packages/store/src/index.ts: no-tests-in-sources']);
});
