import { join } from 'node:path';
import { type ContainerizerOptions, createContainerizer } from '@gantry/containerizer';
import { parseReference } from '@gantry/image-spec';
import type { Containerizer, ContainerSpec, ContainerTermination } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { busyboxImage, pushImage, startRegistry, type TestRegistry } from '@gantry/testkit';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';

/** A host program with folders of its own, and a registry that holds the busybox image. */
export interface TestHost extends AsyncDisposable {
  readonly containerizer: Containerizer;
  readonly registry: TestRegistry;
  /** Reference of the busybox image. */
  readonly image: string;
  readonly root: string;
  readonly stateRoot: string;
  /** Launches, waits for the end, and gives what was written. */
  run(spec: Partial<ContainerSpec>): Promise<RunResult>;
}

export interface RunResult {
  readonly id: string;
  readonly termination: ContainerTermination;
  readonly stdout: string;
  readonly stderr: string;
}

/** `root` in place of a folder of the host's own. */
export type HostOptions = Pick<
  ContainerizerOptions,
  'isolators' | 'networks' | 'cgroups' | 'cgroupParent' | 'disk' | 'ports' | 'root' | 'cdi' | 'nvidia' | 'userIds'
>;

export async function startHost(options: HostOptions = {}): Promise<TestHost> {
  const folder: TemporaryFolder = await temporaryFolder();
  const registry = await startRegistry();
  const root = options.root ?? join(folder.path, 'root');
  const stateRoot = join(folder.path, 'state');
  const image = `${registry.address}/busybox:latest`;
  await pushImage(await busyboxImage(), createRegistryClient(), parseReference(image));
  const containerizer = await createContainerizer({ ...options, root, stateRoot });
  return {
    containerizer,
    registry,
    image,
    root,
    stateRoot,
    run: (spec) => run(containerizer, { image, ...spec }),
    async [Symbol.asyncDispose]() {
      for await (const { id } of containerizer.containers()) await containerizer.destroy(id);
      await containerizer[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function run(containerizer: Containerizer, spec: ContainerSpec): Promise<RunResult> {
  const { id } = await containerizer.launch(spec);
  const termination = await containerizer.wait(id);
  return { id, termination, ...(await readOutput(containerizer, id)) };
}

/** All that a container has written so far. */
export async function readOutput(
  containerizer: Containerizer,
  id: string,
): Promise<{ stdout: string; stderr: string }> {
  const output = { stdout: '', stderr: '' };
  for await (const entry of containerizer.logs(id)) output[entry.stream] += Buffer.from(entry.data).toString();
  return output;
}

/** Resolves once the container has written a line that matches. */
export async function outputMatching(containerizer: Containerizer, id: string, pattern: RegExp): Promise<void> {
  for await (const entry of containerizer.logs(id, { follow: true })) {
    if (pattern.test(Buffer.from(entry.data).toString())) return;
  }
  throw new Error(`container ${id} ended without writing ${pattern}`);
}
