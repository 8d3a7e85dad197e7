// Brings package-lock.json up to date with the workspaces. npm leaves out optional binaries of other platforms that a
// registry does not offer, and `npm ci` then refuses the file: their entries are added from what their packages declare.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from './lib/main.mjs';
import { root } from './lib/paths.mjs';
import { runOrThrow } from './lib/run.mjs';

const platformName =
  /-(android|darwin|freebsd|linux|netbsd|openbsd|openharmony|win32|sunos|aix)-(arm64|arm|x64|ia32|loong64|ppc64|riscv64|s390x)(?:-(gnu|musl|gnueabihf|musleabihf|msvc|eabi))?$/;

/**
 * The lock entry of a platform's binary, by the convention of its name; undefined for a package that is none.
 * @param {string} name
 * @param {string} version
 */
function platformEntry(name, version) {
  const [match, os, cpu, abi] = platformName.exec(name) ?? [];
  if (!match) return undefined;
  const libc = os === 'linux' && abi ? { libc: [abi.startsWith('musl') ? 'musl' : 'glibc'] } : {};
  return { version, cpu: [cpu], dev: true, ...libc, optional: true, os: [os] };
}

await main(async () => {
  await runOrThrow('npm', ['install', '--package-lock-only']);
  const path = join(root, 'package-lock.json');
  const lock = JSON.parse(readFileSync(path, 'utf8'));
  for (const [owner, { optionalDependencies = {} }] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const place = `node_modules/${name}`;
      if (lock.packages[place] || lock.packages[`${owner}/${place}`]) continue;
      const entry = platformEntry(name, version);
      if (entry) lock.packages[place] = entry;
    }
  }
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en')));
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
});
