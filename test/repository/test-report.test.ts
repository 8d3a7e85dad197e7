import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cacheFolder, root, tool } from '../../scripts/lib/paths.mjs';
import { run } from '../../scripts/lib/run.mjs';
import { markedLine, readMarkedLine, reportVariable } from '../../scripts/lib/test-report.mjs';

const tests = `
import { beforeAll, describe, expect, it } from 'vitest';
it('holds', () => expect(1).toBe(1));
it('does not', () => expect(1).toBe(2));
it('cannot', (context) => context.skip('the host has no such thing'));
describe.skip('needs root', () => describe('inner', () => { it('a', () => {}); it('b', () => {}); }));
describe('broken hook', () => { beforeAll(() => { throw new Error('no'); }); it('waits', () => {}); });
it('leaves a rejection', async () => { void Promise.reject(new Error('stray')); await new Promise(setImmediate); });
`;

let folder = '';

beforeAll(async () => {
  await mkdir(cacheFolder, { recursive: true });
  folder = await mkdtemp(join(cacheFolder, 'report-'));
});

afterAll(() => rm(folder, { recursive: true }));

it('counts what passed, failed and was skipped, and misses no failure outside of a test', async () => {
  await writeFile(join(folder, 'vitest.config.js'), 'export default {};\n');
  await writeFile(join(folder, 'some.test.js'), tests);
  await writeFile(join(folder, 'unloadable.test.js'), "import './nothing.js';\n");
  const path = join(folder, 'report.json');
  const args = ['run', '--root', folder, '--reporter', join(root, 'scripts/lib/vitest-reporter.mjs')];
  const { status } = await run(tool('vitest'), args, { env: { [reportVariable]: path } });
  expect(status).toBe(1);
  const report = JSON.parse(await readFile(path, 'utf8')) as { failed: string[] };
  expect(report.failed.sort()).toEqual([
    'outside of any test: stray',
    'some.test.js > broken hook',
    'some.test.js > does not: expected 1 to be 2 // Object.is equality',
    'unloadable.test.js',
  ]);
  expect(report).toMatchObject({
    passed: 2,
    skipped: [
      { name: 'some.test.js > cannot', tests: 1, reason: 'the host has no such thing' },
      { name: 'some.test.js > needs root', tests: 2 },
      { name: 'some.test.js > broken hook > waits', tests: 1 },
    ],
  });
});

it('finds its report on a console among other output, and nothing in a line that came to harm', () => {
  const report = { passed: 3, failed: ['a'], skipped: [] };
  expect(readMarkedLine(`[   12.3] ${markedLine(report)}`)).toEqual(report);
  expect(readMarkedLine(markedLine(report).slice(0, -1))).toBeUndefined();
  expect(readMarkedLine('3 passed')).toBeUndefined();
});
