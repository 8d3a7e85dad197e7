import { parseReference } from '@gantry/image-spec';
import type { Credentials, PullPolicy } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { busyboxImage, pushImage } from '@gantry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { type DockerRegistry, dockerRegistry } from '../support/docker-registry.js';
import { requires } from '../support/requires.js';

const login = { username: 'someone', password: 'secret' };
/** Of that login, by crypt(3). */
const logins = 'someone:$2b$04$QSmV0B3CE33JjO4CxZHHQOzoo370PWBhrXYH0Bl6ma3LX.HVPklfO\n';

requires({ root: true, commands: ['docker-registry'] })('a private image of a real registry', () => {
  let host: TestHost;
  let registry: DockerRegistry;
  let forms: readonly string[];
  beforeAll(async () => {
    host = await startHost();
    registry = await dockerRegistry(logins);
    const reference = `${registry.address}/private/busybox:1`;
    const client = createRegistryClient({ credentials: new Map([[registry.address, login]]) });
    await pushImage(await busyboxImage(), client, parseReference(reference));
    const { descriptor } = await client.getManifest(parseReference(reference));
    forms = [reference, `${registry.address}/private/busybox@${descriptor.digest}`];
    for (const image of forms) {
      const { termination } = await host.run({ image, command: ['/bin/true'], pull: { credentials: login } });
      expect(termination.exit).toMatchObject({ code: 0 });
    }
  });
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
  });

  const asked = (credentials?: Credentials): PullPolicy => ({ checkAccess: true, ...(credentials && { credentials }) });
  const strangers = [undefined, { ...login, password: 'wrong' }, { username: 'nobody', password: 'secret' }];

  it.each([0, 1])(
    'is launched, when asked so, for who could pull it, and for nobody else (by tag, by digest: %#)',
    async (form) => {
      const image = forms[form] ?? '';
      const command = ['/bin/echo', 'let in'];
      expect((await host.run({ image, command, pull: asked(login) })).stdout).toBe('let in\n');
      for (const stranger of strangers) {
        const launched = host.containerizer.launch({ image, command, pull: asked(stranger) });
        await expect(launched).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
      }
      // Who does not ask so trusts all callers of his.
      expect((await host.run({ image, command })).stdout).toBe('let in\n');
    },
  );

  it.each([0, 1])(
    'is mounted as a volume for who could pull it, and for nobody else (by tag, by digest: %#)',
    async (form) => {
      const volume = (credentials?: Credentials) => ({
        image: host.image,
        command: ['/bin/ls', '/volume/bin/busybox'],
        mounts: [{ type: 'image' as const, image: forms[form] ?? '', target: '/volume', pull: asked(credentials) }],
      });
      expect((await host.run(volume(login))).stdout).toBe('/volume/bin/busybox\n');
      for (const stranger of strangers) {
        await expect(host.containerizer.launch(volume(stranger))).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
      }
    },
  );
});
