import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createContainerizer } from '@gantry/containerizer';
import { parseReference } from '@gantry/image-spec';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { busyboxImage, pushImage, startRegistry } from '@gantry/testkit';

const command = ['/bin/true'];

/**
 * Gantry as a library in this process, with an image that is in its store and unpacked.
 * @param {string} folder For all that it keeps.
 */
export async function gantry(folder) {
  const registry = createRegistryClient();
  const root = join(folder, 'root');
  const store = createImageStore({ root: join(root, 'store'), registry });
  const image = await pullBusybox(registry, store);
  const { layerPaths } = await store.unpack(image);
  const containerizer = await createContainerizer({ root, stateRoot: join(folder, 'state'), registry, store, isolators: (own) => own.map(globalThis.wrapIsolator ?? ((x) => x)) });
  await containerizer.recover();
  const spec = { image: image.reference, command };
  const { config } = await containerizer.plan(spec);
  return {
    layers: layerPaths,
    config,
    containerizer,
    store,
    image: image.reference,
    /** @type {import('./contender.mjs').Contender} */
    contender: {
      run: () => launchOnce(containerizer, spec),
      async close() {
        // Those of a measurement that broke off would go on.
        for await (const { id } of containerizer.containers()) await containerizer.destroy(id);
        await containerizer[Symbol.asyncDispose]();
      },
    },
  };
}

/**
 * @param {import('@gantry/interface').RegistryClient} client
 * @param {import('@gantry/interface').ImageStore} store
 */
async function pullBusybox(client, store) {
  const registry = await startRegistry();
  try {
    const reference = `${registry.address}/busybox:latest`;
    await pushImage(await busyboxImage(), client, parseReference(reference));
    return await store.pull(reference);
  } finally {
    await registry[Symbol.asyncDispose]();
  }
}

/**
 * @param {import('@gantry/interface').Containerizer} containerizer
 * @param {import('@gantry/interface').ContainerSpec} spec
 */
async function launchOnce(containerizer, spec) {
  let exited = Number.NaN;
  /** @param {{ to: import('@gantry/interface').ContainerState }} event */
  const listen = ({ to }) => {
    if (to === 'DESTROYING') exited = performance.now();
  };
  containerizer.on('state', listen);
  const start = performance.now();
  const { id } = await containerizer.launch(spec);
  const { exit, failure } = await containerizer.wait(id);
  const end = performance.now();
  containerizer.off('state', listen);
  if (exit?.type !== 'exited' || exit.code !== 0) throw new Error(`gantry: ${JSON.stringify(exit ?? failure)}`);
  const { timings } = await containerizer.status(id);
  await containerizer.remove(id);
  return new Map([
    ['gantry', exited - start],
    ['gantry, to destroyed', end - start],
    ...Object.entries(timings).map(([step, milliseconds]) => /** @type {const} */ ([`step ${step}`, milliseconds])),
  ]);
}
