import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseManifest, parseReference, sha256 } from '@gantry/image-spec';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRegistryClient } from '../src/index.js';
import { collect, describeBlob, noise } from './scripted-server.js';

const program = '/usr/bin/docker-registry';

describe.skipIf(!existsSync(program))(
  'against the distribution registry (needs the Debian package docker-registry)',
  () => {
    let folder: string;
    let registry: ChildProcess;
    let host: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'gantry-registry-'));
      const config = {
        version: '0.1',
        log: { level: 'info' },
        storage: { filesystem: { rootdirectory: folder } },
        http: { addr: '127.0.0.1:0' },
      };
      await writeFile(join(folder, 'config.yml'), JSON.stringify(config));
      registry = spawn(program, ['serve', join(folder, 'config.yml')], { stdio: ['ignore', 'ignore', 'pipe'] });
      host = await listeningAt(registry);
    });

    afterAll(async () => {
      const exit = once(registry, 'exit');
      registry.kill();
      await exit;
      await rm(folder, { recursive: true });
    });

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
  },
);

/** The address in the line that the registry logs once it listens. */
async function listeningAt(registry: ChildProcess): Promise<string> {
  if (!registry.stderr) throw new Error('the registry has no stderr');
  for await (const line of createInterface({ input: registry.stderr })) {
    const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (address) {
      registry.stderr.resume();
      return address;
    }
  }
  throw new Error('the registry ended before it listened');
}
