import { existsSync, readdirSync } from 'node:fs';
import { defineConfig, type Options } from 'tsup';

/** Source files that become files of their own in dist: libraries, executables and workers. */
const entryFiles = [
  'index.ts',
  'csi.ts',
  'main.ts',
  'unpack-worker.ts',
  'stream-worker.ts',
  'namespace-helper.ts',
  'namespace-worker.ts',
];

const folders = [
  'native',
  ...['packages', 'examples'].flatMap((parent) => readdirSync(parent).map((name) => `${parent}/${name}`)),
];
const entriesOf = (folder: string) =>
  entryFiles.map((file) => `${folder}/src/${file}`).filter((file) => existsSync(file));
const wanted = process.env['GANTRY_BUILD']?.split(',');

export default defineConfig(
  folders
    .filter((folder) => entriesOf(folder).length > 0)
    .filter((folder) => !wanted || wanted.includes(folder))
    .map(
      (folder): Options => ({
        name: folder,
        entry: entriesOf(folder),
        outDir: `${folder}/dist`,
        format: 'esm',
        platform: 'node',
        target: 'node20',
        sourcemap: true,
        splitting: true,
        clean: false,
        silent: true,
        skipNodeModulesBundle: true,
        external: [/^@gantry\//],
      }),
    ),
);
