import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import { parseReference } from '@gantry/image-spec';
import { createLauncher } from '@gantry/launcher';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { busyboxImage, pushImage, startRegistry } from '@gantry/testkit';
import { compareStates, machineState } from '../support/machine-state.mjs';

/** @import { ContainerSpec } from '@gantry/interface' */
/** @import { MachineState } from '../support/machine-state.mjs' */
/** @import { PlannedContainer } from './plan.mjs' */

/** Another host program's container, in a state root of its own, that nothing may touch. */
const bystander = 'bystander';

/** What trials share: a store with an image that is unpacked, a folder to be a root, and a container of somebody else's. */
export class World {
  #folder;
  #store;
  #neighbour;
  #image;
  /** What is in the root without any trial. @type {ReadonlySet<string>} */
  #own;

  /**
   * @param {string} folder
   * @param {import('@gantry/interface').ImageStore} store
   * @param {import('@gantry/interface').Containerizer} neighbour
   * @param {string} image
   */
  constructor(folder, store, neighbour, image) {
    this.#folder = folder;
    this.#store = store;
    this.#neighbour = neighbour;
    this.#image = image;
    this.#own = new Set(readdirSync(this.root));
  }

  /** @param {string} folder An empty one, on a disk if disks are to be waited for. */
  static async open(folder) {
    const root = join(folder, 'root');
    const store = createImageStore({ root: join(root, 'store'), registry: createRegistryClient() });
    const image = await pullBusybox(store);
    for (const layer of (await store.unpack(image)).layerPaths)
      cpSync(layer, join(folder, 'rootfs'), { recursive: true, verbatimSymlinks: true });
    mkdirSync(join(folder, 'states'));
    const neighbour = await createContainerizer({
      root,
      store,
      stateRoot: join(folder, 'neighbour'),
      launcher: createLauncher({ spareShim: false }),
    });
    await neighbour.launch({ id: bystander, image: image.reference, command: ['/bin/sleep', '100000'] });
    return new World(folder, store, neighbour, image.reference);
  }

  get root() {
    return join(this.#folder, 'root');
  }

  /** A new place for the records of one trial. @param {number} number */
  stateRoot(number) {
    return join(this.#folder, 'states', String(number));
  }

  get traceFile() {
    return join(this.#folder, 'trace');
  }

  /** @param {PlannedContainer} container @returns {ContainerSpec} */
  spec({ id, kind }) {
    const rootfs = { id, rootfs: join(this.#folder, 'rootfs') };
    switch (kind) {
      case 'lasting':
        return { ...rootfs, command: ['/bin/sleep', '100000'], resources: { limits: { memory: 64 << 20, cpus: 1 } } };
      case 'image':
        return { id, image: this.#image, command: ['/bin/sleep', '100000'] };
      case 'brief':
        return { ...rootfs, command: ['/bin/sh', '-c', 'echo brief; exit 3'] };
      case 'chatty':
        return { ...rootfs, command: ['/bin/sh', '-c', 'yes chatter | head -c 200000; sleep 100000'] };
      case 'family':
        return { ...rootfs, pid: 'host', command: ['/bin/sh', '-c', 'sleep 99999 & setsid sleep 99998 & wait'] };
      default:
        return { ...rootfs, command: ['/bin/this-is-not-there'] };
    }
  }

  /** Takes down all that a trial could leave or take away. @returns {Promise<Look>} */
  async look() {
    const leases = [];
    for await (const { id } of this.#store.leases()) leases.push(id);
    const files = readdirSync(this.#folder, { recursive: true }).map(String);
    return { machine: await machineState(), leases: new Set(leases), files: new Set(files) };
  }

  /** One line a difference. @param {Look} before @returns {Promise<string[]>} */
  async differences(before) {
    const after = await this.look();
    const { state } = await this.#neighbour.status(bystander);
    return [
      ...compareStates(before.machine, after.machine),
      ...changes('lease', before.leases, after.leases),
      ...changes('file', before.files, after.files).filter((change) => !isPermitted(change)),
      ...(state === 'RUNNING' ? [] : [`the container of another host program is ${state}`]),
    ];
  }

  /** Removes the folders that stay with a state root, and what was traced. @param {number} number */
  forget(number) {
    for (const path of [this.stateRoot(number), this.traceFile]) rmSync(path, { recursive: true, force: true });
    for (const name of readdirSync(this.root)) {
      const path = join(this.root, name);
      if (name.startsWith('provisioner') && !this.#own.has(name)) rmSync(path, { recursive: true, force: true });
    }
  }

  /** What a dead process left unfinished in the store goes with the garbage. */
  async collectGarbage() {
    await this.#store.collectGarbage();
  }

  async [Symbol.asyncDispose]() {
    await this.#neighbour.destroy(bystander);
    await this.#neighbour[Symbol.asyncDispose]();
  }
}

/** @typedef {{ machine: MachineState, leases: ReadonlySet<string>, files: ReadonlySet<string> }} Look */

/**
 * @param {string} what
 * @param {ReadonlySet<string>} before
 * @param {ReadonlySet<string>} after
 */
function changes(what, before, after) {
  return [
    ...[...after].filter((one) => !before.has(one)).map((one) => `${what} left: ${one}`),
    ...[...before].filter((one) => !after.has(one)).map((one) => `${what} gone: ${one}`),
  ];
}

/**
 * What has been unpacked is held for a minute, by a file. Folders that stay with a state root, and one in which a provisioner tried what the file system can: whoever tries
 * next removes it, a minute later.
 *
 * @param {string} change
 */
function isPermitted(change) {
  const folders = [
    'states/\\d+(/containers)?',
    'root/provisioner-[0-9a-f]{8}(/(containers|trash|empty|trial-.*))?',
    'trace',
  ];
  return (
    change.startsWith('file gone: root/store/holds/') || new RegExp(`^file left: (${folders.join('|')})$`).test(change)
  );
}

/** @param {import('@gantry/interface').ImageStore} store */
async function pullBusybox(store) {
  const registry = await startRegistry();
  try {
    const reference = `${registry.address}/busybox:latest`;
    await pushImage(await busyboxImage(), createRegistryClient(), parseReference(reference));
    return await store.pull(reference);
  } finally {
    await registry[Symbol.asyncDispose]();
  }
}
