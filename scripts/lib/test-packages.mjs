import { existsSync } from 'node:fs';
import { run } from './run.mjs';

/** Debian's packages that tests use as peers and as judges, each with what for. A test whose package is missing skips. */
const testPackages = new Map([
  ['buildah', 'builds images with another hand than ours'],
  ['busybox-static', 'programs to run in containers made of one file'],
  ['cpio', "packs the virtual machine's first file system"],
  ['crun', 'carries out the same OCI documents, for comparison'],
  ['docker-registry', 'a real registry to pull from and push to'],
  ['kmod', "finds the kernel modules of the virtual machine's kernel"],
  ['qemu-system-x86', 'the virtual machine with a pure cgroup v2 tree'],
  ['runc', 'carries out the same OCI documents, for comparison'],
  ['skopeo', 'reads the image layout that the store writes, and fills registries'],
  ['strace', 'makes system calls fail'],
  ['uidmap', 'buildah and skopeo want it to be there'],
]);

const quietInstall = ['install', '-y', '-qq', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300'];

/** Installs what is missing, where that is possible: on Debian, as root. Never fails; says what tests will have to do without. */
export async function installTestPackages() {
  if (!existsSync('/usr/bin/dpkg')) {
    console.log('not a Debian system: tests that need other programs skip where they are missing');
    return;
  }
  if (process.getuid?.() === 0 && (await missingPackages()).length > 0) await install(await missingPackages());
  for (const name of await missingPackages()) {
    console.log(`the Debian package ${name} is missing, tests that need it skip: ${testPackages.get(name)}`);
  }
}

async function missingPackages() {
  const names = [...testPackages.keys()];
  const { output } = await run('dpkg', ['--get-selections', ...names]);
  const installed = new Set(Array.from(output.matchAll(/^([^\s:]+)\S*\s+install$/gm), ([, name]) => name));
  return names.filter((name) => !installed.has(name));
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
