import { existsSync, readdirSync } from 'node:fs';
import { defineConfig, type Options } from 'tsup';

/** Source files that become files of their own in dist: libraries, executables and workers. */
const entryFiles = ['index.ts', 'csi.ts', 'main.ts', 'stream-worker.ts', 'namespace-helper.ts', 'namespace-worker.ts'];
/** Of which each has all in itself: a further file takes a millisecond or two to load, for which a pull would wait. */
const wholeFiles = ['unpack-worker.ts'];

const folders = [
  'native',
  ...['packages', 'examples'].flatMap((parent) => readdirSync(parent).map((name) => `${parent}/${name}`)),
];
const present = (folder: string, files: readonly string[]) =>
  files.map((file) => `${folder}/src/${file}`).filter((file) => existsSync(file));
const wanted = process.env['GANTRY_BUILD']?.split(',');

const outputsOf = (folder: string) => [
  { entry: present(folder, entryFiles), splitting: true },
  { entry: present(folder, wholeFiles), splitting: false },
];

export default defineConfig(
  folders
    .filter((folder) => !wanted || wanted.includes(folder))
    .flatMap((folder) => outputsOf(folder).map((output) => ({ folder, ...output })))
    .filter(({ entry }) => entry.length > 0)
    .map(
      ({ folder, entry, splitting }): Options => ({
        name: folder,
        entry,
        outDir: `${folder}/dist`,
        format: 'esm',
        platform: 'node',
        target: 'node20',
        sourcemap: true,
        splitting,
        clean: false,
        silent: true,
        skipNodeModulesBundle: true,
        external: [/^@gantry\//],
      }),
    ),
);
