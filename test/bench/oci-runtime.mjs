import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeGroups } from '../support/control-groups.mjs';
import { compile } from './compile.mjs';
import { DrivenProgram } from './driven-program.mjs';
import { lowerdir } from './lowerdir.mjs';

const cgroupRoot = '/sys/fs/cgroup';

/**
 * The namespace in which the runtime is timed; the timer starts in it, so that none of this is in the figures. The
 * root is mounted once for all runs. Of a hybrid control-group tree only the version 1 side is left: crun takes no
 * other.
 */
const world = `set -e
mount -t overlay overlay -o "$1" "$2"
if mountpoint -q ${cgroupRoot}/unified; then umount ${cgroupRoot}/unified; fi
shift 2
exec "$@"`;

/**
 * A command-line OCI runtime on the document of the container that Gantry launches.
 * @param {object} options
 * @param {string} options.name Of the figure.
 * @param {string} options.command `crun` or `runc`.
 * @param {readonly string[]} [options.flags] Before `run`.
 * @param {boolean} [options.cgroups] Default true.
 * @param {string} options.folder For the bundle and the runtime's state.
 * @param {readonly string[]} options.layers Lowest first.
 * @param {import('@gantry/interface').OciSpec} options.config
 * @returns {Promise<import('./contender.mjs').Contender>}
 */
export async function ociRuntime({ name, command, flags = [], cgroups = true, folder, layers, config }) {
  const own = await mkdtemp(join(folder, `${command}-`));
  const rootfs = join(own, 'bundle/rootfs');
  for (const path of [rootfs, join(own, 'upper'), join(own, 'work')]) await mkdir(path, { recursive: true });
  const cgroup = `gantry-bench-${process.pid}-${command}`;
  const document = JSON.stringify(documentFor(config, rootfs, cgroups ? `/${cgroup}/true` : undefined));
  await writeFile(join(own, 'bundle/config.json'), document);

  const overlay = `lowerdir=${lowerdir(layers)},upperdir=${own}/upper,workdir=${own}/work`;
  const timed = [command, '--root', join(own, 'state'), ...flags, 'run', '--bundle', join(own, 'bundle'), '{}'];
  const program = new DrivenProgram('unshare', [
    ...['--mount', '--propagation', 'private', 'sh', '-c', world, 'sh', overlay, rootfs],
    // In a folder of its own, since a peer may just be starting the one that was compiled for the peers.
    ...[await compile('time-exec', own), ...timed],
  ]);
  return {
    run: async () => new Map([[name, await program.run()]]),
    close: async () => {
      await program.close();
      await removeGroups(cgroup);
    },
  };
}

/**
 * The same document in a bundle of its own.
 * @param {import('@gantry/interface').OciSpec} config
 * @param {string} rootfs
 * @param {string | undefined} cgroupsPath
 */
function documentFor(config, rootfs, cgroupsPath) {
  const { cgroupsPath: _, resources, ...linux } = config.linux;
  // Runc else refuses the devices that the document itself makes.
  const devices = [{ allow: true, access: 'rwm' }];
  // Defaults that Gantry lowers to what the host allows; the runtimes would give up.
  const { rlimits: __, ...process } = config.process;
  return {
    ...config,
    process,
    // What the runtimes of a stable distribution know.
    ociVersion: '1.0.2',
    root: { ...config.root, path: rootfs },
    linux: cgroupsPath === undefined ? linux : { ...linux, resources: { ...resources, devices }, cgroupsPath },
  };
}
