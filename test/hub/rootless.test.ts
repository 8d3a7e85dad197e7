import { chmodSync, copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addUser, type TestUser } from '../rootless/user.js';
import { requires } from '../support/requires.js';
import { archiveOf, buildImages, referenceOf } from './build.mjs';
import { chosenShapes } from './shapes.js';

const chosen = chosenShapes(['busybox', 'nginx']);

requires({
  root: true,
  commands: ['mmdebstrap', 'buildah', 'newuidmap', 'newgidmap', 'setpriv', 'useradd'],
})('an image in the shape of those on Docker Hub, run by an ordinary user', () => {
  let user: TestUser;
  beforeAll(async () => {
    await buildImages(chosen.map(({ name }) => name));
    user = addUser(true);
  }, 1_800_000);
  afterAll(() => user?.[Symbol.dispose]());

  it.each(chosen)('starts, answers and stops: $name', { timeout: 300_000 }, async (shape) => {
    const archive = join(user.folder, `${shape.name}.tar`);
    copyFileSync(archiveOf(shape.name), archive);
    chmodSync(archive, 0o644);
    const say = Buffer.from(shape.say).toString('base64');
    const answer = { source: shape.answer.source, flags: shape.answer.flags };
    const { results, stderr } = await user.run('shape', [
      referenceOf(shape.name),
      JSON.stringify({ archive, shape, say, answer }),
    ]);
    expect(stderr).toBe('');
    const [seen] = results as [{ heard: string; users: string[]; asked: string; exit: object; log: string }];
    expect(seen).toMatchObject({
      heard: expect.stringMatching(shape.answer),
      users: expect.arrayContaining([shape.user]),
      asked: expect.stringMatching(shape.ask?.answer ?? /^$/),
      exit: { type: 'exited', code: shape.exit },
    });
  });
});
