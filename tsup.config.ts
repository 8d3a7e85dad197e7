import { existsSync, readdirSync } from 'node:fs';
import { defineConfig, type Options } from 'tsup';

/** Source files, besides index.ts, that become files of their own in dist: executables and workers. */
const extraEntries = ['main.ts', 'unpack-worker.ts'];

const folders = ['native', ...readdirSync('packages').map((name) => `packages/${name}`)];
const wanted = process.env['GANTRY_BUILD']?.split(',');

export default defineConfig(
  folders
    .filter((folder) => existsSync(`${folder}/src/index.ts`))
    .filter((folder) => !wanted || wanted.includes(folder))
    .map(
      (folder): Options => ({
        name: folder,
        entry: ['index.ts', ...extraEntries].map((file) => `${folder}/src/${file}`).filter((file) => existsSync(file)),
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
