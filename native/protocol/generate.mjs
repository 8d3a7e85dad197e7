// Makes both sides of the protocol from protocol.json. `--check` writes nothing and exits 1 if a generated file is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { cppSide } from './generate-cpp.mjs';
import { typescriptSide } from './generate-typescript.mjs';

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url));

function currentText(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const protocol = JSON.parse(readFileSync(pathOf('protocol.json'), 'utf8'));
const outputs = [
  { path: pathOf('../shim/protocol.generated.h'), text: cppSide(protocol) },
  { path: pathOf('../../packages/launcher/src/protocol.generated.ts'), text: typescriptSide(protocol) },
];
const stale = outputs.filter(({ path, text }) => currentText(path) !== text);

if (process.argv.includes('--check')) {
  for (const { path } of stale) console.error(`${path} is stale: run node native/protocol/generate.mjs`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  for (const { path, text } of stale) writeFileSync(path, text);
}
