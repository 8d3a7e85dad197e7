import { join } from 'node:path';
import { checkHealth, createContainerizer, imageHealthCheck } from '@gantry/containerizer';
import type { Containerizer, ImageStore } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';
import { archiveOf, buildImages, referenceOf } from './build.mjs';
import { answerOf, logOf, outputOf, patience, usersOf } from './meetings.mjs';
import { chosenShapes } from './shapes.js';

const chosen = chosenShapes(['busybox', 'debian', 'nginx', 'postgres']);
const commands = ['mmdebstrap', 'buildah'];

requires({ root: true, commands })('an image in the shape of those on Docker Hub', () => {
  let folder: TemporaryFolder;
  let store: ImageStore;
  let containerizer: Containerizer;

  beforeAll(async () => {
    await buildImages(chosen.map(({ name }) => name));
    folder = await temporaryFolder();
    store = createImageStore({ root: join(folder.path, 'store'), registry: createRegistryClient() });
    containerizer = await createContainerizer({ root: folder.path, stateRoot: join(folder.path, 'state'), store });
    for (const { name } of chosen) {
      const source = { type: 'docker-archive', path: archiveOf(name), reference: referenceOf(name) } as const;
      await store.import(source, { as: referenceOf(name) });
    }
  }, 1_800_000);

  afterEach(async () => {
    for await (const { id } of containerizer.containers()) {
      await containerizer.destroy(id);
      await containerizer.remove(id);
    }
  });

  afterAll(async () => {
    await containerizer?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  it.each(chosen)('starts, answers and stops: $name', { timeout: 300_000 }, async (shape) => {
    const { id } = await containerizer.launch({ image: referenceOf(shape.name), ...shape.spec });
    expect(await answerOf(containerizer, id, shape)).toMatch(shape.answer);
    expect(await usersOf(containerizer, id)).toContain(shape.user);
    if (shape.ask) expect(await outputOf(containerizer, id, shape.ask.command)).toMatch(shape.ask.answer);
    if (shape.healthy) expect(await healthOf(id)).toBe('healthy');
    const { exit, limitation } = await containerizer.stop(id, { graceMs: patience });
    expect(exit, await logOf(containerizer, id)).toMatchObject({ type: 'exited', code: shape.exit });
    expect(limitation).toBeUndefined();
  });

  /** What its image's own health check says. */
  async function healthOf(id: string): Promise<string> {
    const { image } = await containerizer.status(id);
    const config = image && (await store.get(image.reference))?.config;
    const check = config && imageHealthCheck(config);
    if (!check) return 'the image has no health check';
    await using watch = await checkHealth(containerizer, id, { ...check, intervalMs: 100 });
    for await (const { state, message } of watch) return state === 'healthy' ? state : message;
    return 'it was not asked';
  }
});
