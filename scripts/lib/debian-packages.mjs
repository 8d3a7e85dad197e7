import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { run } from './run.mjs';

const quietInstall = ['install', '-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300'];

/** Where Debian asks whether a package may start its daemon. */
const policy = '/usr/sbin/policy-rc.d';

/**
 * Installs what is missing, where that is possible: on Debian, as root. Starts no daemon. Never fails; says what one will have to do without.
 * @param {ReadonlyMap<string, string>} packages Each with what for.
 * @param {string} otherwise What comes of one that is missing.
 */
export async function installPackages(packages, otherwise) {
  if (!existsSync('/usr/bin/dpkg')) {
    console.log(`not a Debian system, so nothing is installed; of programs that are missing: ${otherwise}`);
    return;
  }
  const missing = await missingPackages(packages);
  if (process.getuid?.() === 0 && missing.length > 0) await withoutDaemons(() => install(missing));
  for (const name of await missingPackages(packages)) {
    console.log(`the Debian package ${name} is missing, ${otherwise}: ${packages.get(name)}`);
  }
}

/** @param {ReadonlyMap<string, string>} packages */
async function missingPackages(packages) {
  const names = [...packages.keys()];
  const { output } = await run('dpkg', ['--get-selections', ...names]);
  const installed = new Set(Array.from(output.matchAll(/^([^\s:]+)\S*\s+install$/gm), ([, name]) => name));
  return names.filter((name) => !installed.has(name));
}

/** @param {() => Promise<void>} work */
async function withoutDaemons(work) {
  if (existsSync(policy)) return work();
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    await work();
  } finally {
    rmSync(policy);
  }
}

/**
 * All at once; if that fails, one by one, so that one that cannot be had does not keep out the others.
 * @param {readonly string[]} names
 */
async function install(names) {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], { env });
  const { status } = await run('apt-get', [...quietInstall, ...names], { env });
  if (status === 0 || names.length === 1) return;
  for (const name of names) await run('apt-get', [...quietInstall, name], { env });
}
