import { join } from 'node:path';
import { checkHealth, createContainerizer, imageHealthCheck } from '@gantry/containerizer';
import type { Containerizer, ImageStore } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { readOutput } from '../launch/host.js';
import { eventually } from '../support/eventually.mjs';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';
import { archiveOf, buildImages, referenceOf } from './build.mjs';
import { converse } from './conversations.js';
import { type Shape, shapes } from './shapes.js';

/** Those that `npm test` builds and runs; `GANTRY_HUB=all` is for every one. */
const everyDay = ['busybox', 'debian', 'nginx', 'postgres'];
const chosen = process.env['GANTRY_HUB'] === 'all' ? shapes : shapes.filter(({ name }) => everyDay.includes(name));
const commands = ['mmdebstrap', 'buildah'];
const patience = 120_000;

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
    expect(await answerOf(id, shape)).toMatch(shape.answer);
    expect(await usersOf(id)).toContain(shape.user);
    if (shape.ask) expect(await outputOf(id, shape.ask.command)).toMatch(shape.ask.answer);
    if (shape.healthy) expect(await healthOf(id)).toBe('healthy');
    const { exit, limitation } = await containerizer.stop(id, { graceMs: patience });
    expect(exit, await logOf(id)).toMatchObject({ type: 'exited', code: shape.exit });
    expect(limitation).toBeUndefined();
  });

  /** What it says once it listens; a program takes its time to start. */
  async function answerOf(id: string, { port, say, answer }: Shape): Promise<string> {
    const tryOnce = async () => {
      try {
        const connection = await containerizer.connect(id, port);
        return await converse(connection, say, answer).finally(() => connection.destroy());
      } catch (error) {
        const status = await containerizer.status(id);
        if (status.state === 'RUNNING') return `${error}`;
        throw new Error(`it ended: ${await logOf(id)}`, { cause: error });
      }
    };
    return eventually(tryOnce, (heard) => answer.test(heard), patience);
  }

  /** The users, by the container's own names, of all that runs in it. */
  async function usersOf(id: string): Promise<readonly string[]> {
    const script = `while IFS=: read -r name _ id _; do echo $name $id; done </etc/passwd
      for process in /proc/[0-9]*; do while read -r key uid _; do [ $key != Uid: ] || echo $uid; done <$process/status; done`;
    const lines = (await outputOf(id, ['/bin/sh', '-c', script])).split('\n');
    const named = lines.map((line) => line.split(' ')).filter(([, uid]) => uid !== undefined && uid !== '0');
    const names = new Map(named.map(([name, uid]) => [uid, name]));
    return lines.filter((line) => /^\d+$/.test(line)).map((uid) => names.get(uid) ?? uid);
  }

  async function outputOf(id: string, command: readonly string[]): Promise<string> {
    await using started = await containerizer.exec(id, { command });
    let output = '';
    for await (const chunk of started.stdout) output += String(chunk);
    for await (const chunk of started.stderr) output += String(chunk);
    return output;
  }

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

  async function logOf(id: string): Promise<string> {
    const { stdout, stderr } = await readOutput(containerizer, id);
    return stdout + stderr;
  }
});
