// Type-checks every ts block of the documentation against the built packages, each as a program of its own.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { codeBlocks } from '../lib/code-blocks.mjs';
import { main } from '../lib/main.mjs';
import { cacheFolder, root, tool } from '../lib/paths.mjs';
import { run } from '../lib/run.mjs';
import { workspaces } from '../lib/workspaces.mjs';

const folder = join(cacheFolder, 'code-blocks');

const compilerOptions = {
  noEmit: true,
  composite: false,
  declaration: false,
  declarationMap: false,
  emitDeclarationOnly: false,
  moduleDetection: 'force',
};

function documents() {
  const guides = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'));
  const pages = [
    ...guides.map((name) => `docs/${name}`),
    ...['.', ...workspaces()].map((path) => join(path, 'README.md')),
  ];
  return pages.filter((path) => existsSync(join(root, path)));
}

/**
 * The block stands at the lines it has in its document, so that the compiler's line numbers are the document's.
 * @param {string} document
 */
function extract(document) {
  const blocks = codeBlocks(readFileSync(join(root, document), 'utf8'));
  for (const { line, code } of blocks) {
    const path = join(folder, `${document}.${line}.ts`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, '\n'.repeat(line - 1) + code);
  }
  return blocks.length;
}

await main(async () => {
  rmSync(folder, { recursive: true, force: true });
  const count = documents().reduce((sum, document) => sum + extract(document), 0);
  if (count === 0) {
    console.error('no ts block in any document: is there no README.md?');
    return 1;
  }
  const extended = join(root, 'tsconfig.base.json');
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: extended, compilerOptions, include: ['**/*.ts'] }),
  );
  const { status, output } = await run(tool('tsc'), ['-p', folder, '--pretty', 'false'], { cwd: folder });
  process.stdout.write(output.replace(/^(\S+\.md)\.\d+\.ts\((\d+),(\d+)\)/gm, '$1:$2:$3'));
  return status;
});
