import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MediaType, parseManifest, parseReference, sha256 } from '@gantry/image-spec';
import type { Descriptor, ImageReference } from '@gantry/interface';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRegistryClient, dockerConfigCredentials } from '../src/index.js';
import { type DebianRegistry, program, startDebianRegistry } from './debian-registry.js';
import { collect, describeBlob, noise } from './scripted-server.js';

describe.skipIf(!existsSync(program))(
  'against the distribution registry (needs the Debian package docker-registry)',
  () => {
    let registry: DebianRegistry;
    let host: string;
    beforeAll(async () => {
      registry = await startDebianRegistry();
      host = registry.host;
    });
    afterAll(() => registry.stop());

    it('puts an image and gets the same back', async () => {
      const client = createRegistryClient();
      await client.ping(host);
      const reference = parseReference(`${host}/team/app:1.0`);
      const layer = noise(5_000_000);
      const configBytes = Buffer.from(
        JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [sha256(layer)] } }),
      );
      const layerBlob = { ...describeBlob(layer), mediaType: 'application/vnd.oci.image.layer.v1.tar' };
      const configBlob = { ...describeBlob(configBytes), mediaType: 'application/vnd.oci.image.config.v1+json' };

      expect(await client.hasBlob(reference, layerBlob.digest)).toBe(false);
      await client.putBlob(
        reference,
        layerBlob,
        (async function* () {
          for (let at = 0; at < layer.length; at += 65_536) yield layer.subarray(at, at + 65_536);
        })(),
      );
      await client.putBlob(reference, configBlob, configBytes);
      expect(await client.hasBlob(reference, layerBlob.digest)).toBe(true);

      const mediaType = 'application/vnd.oci.image.manifest.v1+json';
      const bytes = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType, config: configBlob, layers: [layerBlob] }),
      );
      const digest = await client.putManifest(reference, {
        bytes,
        descriptor: { mediaType, digest: sha256(bytes), size: bytes.length },
      });

      const byTag = await client.getManifest(reference);
      expect(byTag.descriptor).toEqual({ mediaType, digest, size: bytes.length });
      expect((await client.getManifest({ ...reference, digest })).bytes).toEqual(byTag.bytes);
      const parsed = parseManifest(byTag.bytes, byTag.descriptor.mediaType);
      expect(parsed.kind === 'manifest' && parsed.manifest.layers).toEqual([layerBlob]);
      expect((await collect(client.getBlob(reference, layerBlob))).equals(layer)).toBe(true);
      expect((await collect(client.getBlob(reference, configBlob))).equals(configBytes)).toBe(true);
    });

    it('tells what is not there', async () => {
      const client = createRegistryClient();
      await expect(client.getManifest(parseReference(`${host}/team/none`))).rejects.toMatchObject({
        code: 'NOT_FOUND',
        details: { errors: [{ code: 'MANIFEST_UNKNOWN' }] },
      });
      const blob = describeBlob(Buffer.from('nowhere'));
      await expect(collect(client.getBlob(parseReference(`${host}/team/none`), blob))).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    });

    /** An image with an empty config, of which only the manifest matters. */
    async function pushSmallImage(reference: ImageReference, note: string): Promise<Descriptor> {
      const client = createRegistryClient();
      const config = { ...describeBlob(Buffer.from('{}')), mediaType: MediaType.ociConfig };
      await client.putBlob(reference, config, Buffer.from('{}'));
      return pushManifest(reference, { config, layers: [], annotations: { note } });
    }

    async function pushManifest(reference: ImageReference, fields: object): Promise<Descriptor> {
      const mediaType = MediaType.ociManifest;
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }));
      const descriptor = { mediaType, digest: sha256(bytes), size: bytes.length };
      await createRegistryClient().putManifest(reference, { bytes, descriptor });
      return descriptor;
    }

    it('lists tags and repositories, resolves and deletes', async () => {
      const client = createRegistryClient();
      const tags = Array.from({ length: 5 }, (_, index) => `v${index}`);
      const pushed: Descriptor[] = [];
      for (const tag of tags) pushed.push(await pushSmallImage(parseReference(`${host}/list/app:${tag}`), tag));
      for (const name of ['list/b', 'list/c/d']) await pushSmallImage(parseReference(`${host}/${name}`), name);

      const repository = parseReference(`${host}/list/app`);
      expect((await all(client.listTags(repository, { pageSize: 2 }))).sort()).toEqual(tags);
      const repositories = await all(client.listRepositories(host, { pageSize: 1 }));
      expect(repositories).toEqual(expect.arrayContaining(['list/app', 'list/b', 'list/c/d']));
      expect(new Set(repositories).size).toBe(repositories.length);

      const [first] = pushed;
      if (!first) throw new Error('nothing was pushed');
      const reference = parseReference(`${host}/list/app:v0`);
      expect(await client.resolve(reference)).toEqual(first);
      await expect(client.deleteManifest(reference)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
      await client.deleteManifest({ ...reference, digest: first.digest });
      await expect(client.resolve(reference)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(all(client.listTags(parseReference(`${host}/list/none`)))).rejects.toMatchObject({
        code: 'NOT_FOUND',
      });
    });

    it('keeps the referrers of a manifest under their tag', async () => {
      const client = createRegistryClient();
      const reference = parseReference(`${host}/signed/app:1.0`);
      const subject = await pushSmallImage(reference, 'subject');
      const config = { ...describeBlob(Buffer.from('{}')), mediaType: MediaType.ociEmpty };
      const referrer = (artifactType: string) => ({ config, layers: [config], subject, artifactType });
      const { registry: name, repository } = reference;
      for (const type of ['a/signature', 'a/bom']) {
        const bytes = Buffer.from(
          JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociManifest, ...referrer(type) }),
        );
        await pushManifest({ registry: name, repository, digest: sha256(bytes) }, referrer(type));
      }
      const of = { ...reference, digest: subject.digest };
      const found = await all(client.referrers(of));
      expect(found.map(({ artifactType }) => artifactType)).toEqual(['a/signature', 'a/bom']);
      expect(await all(client.referrers(of, { artifactType: 'a/bom' }))).toMatchObject([found[1]]);
    });

    it('takes a large blob in chunks, and lets another repository have it', async () => {
      const client = createRegistryClient();
      const reference = parseReference(`${host}/large/app`);
      const content = noise(20_000_000);
      const blob = describeBlob(content);
      await client.putBlob(
        reference,
        blob,
        (async function* () {
          for (let at = 0; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536);
        })(),
      );
      expect((await collect(client.getBlob(reference, blob))).equals(content)).toBe(true);

      const other = parseReference(`${host}/large/other`);
      expect(await client.hasBlob(other, blob.digest)).toBe(false);
      expect(await client.mountBlob(other, blob.digest, reference)).toBe(true);
      expect(await client.hasBlob(other, blob.digest)).toBe(true);
      const absent = sha256(Buffer.from('absent'));
      expect(await client.mountBlob(other, absent, reference)).toBe(false);
      expect(await client.hasBlob(other, absent)).toBe(false);
    });

    it('goes on where a connection broke', async () => {
      const content = noise(20_000_000);
      const blob = describeBlob(content);
      await createRegistryClient().putBlob(parseReference(`${host}/large/broken`), blob, content);
      const [address = '', port = ''] = host.split(':');
      const asked: string[] = [];
      // The first connections are cut once so much has come over each.
      const cuts = [3_000_000, 11_000_000];
      const between = createServer((client) => {
        const registryEnd = connect(Number(port), address);
        const end = () => {
          client.destroy();
          registryEnd.destroy();
        };
        let carried = 0;
        let most: number | undefined;
        client.on('data', (bytes) => {
          asked.push(...(/^range: .*$/im.exec(bytes.toString('latin1')) ?? []));
          registryEnd.write(bytes);
        });
        registryEnd.on('data', (bytes) => {
          carried += bytes.length;
          // Those that only ask what is spoken here carry less.
          if (carried > 1_000_000) most ??= cuts.shift() ?? Number.POSITIVE_INFINITY;
          if (carried > (most ?? carried)) end();
          else client.write(bytes);
        });
        for (const socket of [client, registryEnd]) socket.on('error', end).on('close', end);
      });
      try {
        await once(between.listen(0, '127.0.0.1'), 'listening');
        const reference = parseReference(`127.0.0.1:${(between.address() as AddressInfo).port}/large/broken`);
        const client = createRegistryClient({ retries: { baseMs: 1 } });
        expect((await collect(client.getBlob(reference, blob))).equals(content)).toBe(true);
      } finally {
        between.close();
      }
      const from = asked.map((line) => Number(/bytes=(\d+)-/.exec(line)?.[1]));
      expect(from).toHaveLength(2);
      expect(from[0]).toBeGreaterThan(2_000_000);
      expect(from[1]).toBeGreaterThan((from[0] ?? 0) + 8_000_000);
    });

    it('keeps nothing of a stream that is not what it was announced to be', async () => {
      const client = createRegistryClient();
      const reference = parseReference(`${host}/large/wrong`);
      const blob = describeBlob(noise(20_000_000));
      const wrong = (async function* () {
        for (let index = 0; index < 20; index++) yield Buffer.alloc(1_000_000);
      })();
      await expect(client.putBlob(reference, blob, wrong)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
      expect(await client.hasBlob(reference, blob.digest)).toBe(false);
    });
  },
);

describe.skipIf(!existsSync(program))(
  'against the distribution registry with a login (needs the Debian package docker-registry)',
  () => {
    // Of bcrypt, cost 4, made by htpasswd: user ann, password hunter2.
    const users = 'ann:$2y$04$zjMHIZXKldDmiYs/cObtW.8tNGLtC4jWOmKT6FB6EgnIp6IFMWGnK\n';
    let registry: DebianRegistry;
    beforeAll(async () => {
      registry = await startDebianRegistry((folder) => {
        const path = join(folder, 'htpasswd');
        writeFileSync(path, users);
        return { htpasswd: { realm: 'here', path } };
      });
    });
    afterAll(() => registry.stop());

    it('lets in who has it, by the login file of docker too', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'gantry-login-'));
      try {
        const path = join(folder, 'config.json');
        const auth = Buffer.from('ann:hunter2').toString('base64');
        await writeFile(path, JSON.stringify({ auths: { [registry.host]: { auth } } }));
        const client = createRegistryClient({ credentials: dockerConfigCredentials({ path }) });
        await client.ping(registry.host);
        const reference = parseReference(`${registry.host}/team/app`);
        const content = noise(10_000_000);
        await client.putBlob(reference, describeBlob(content), content);
        expect((await collect(client.getBlob(reference, describeBlob(content)))).equals(content)).toBe(true);
        const wrong = { username: 'ann', password: 'wrong' };
        await expect(client.ping(registry.host, { credentials: wrong })).rejects.toMatchObject({
          code: 'UNAUTHORIZED',
        });
        await expect(createRegistryClient().hasBlob(reference, describeBlob(content).digest)).rejects.toMatchObject({
          code: 'UNAUTHORIZED',
        });
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  },
);

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of list) found.push(one);
  return found;
}
