import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf } from './sandbox.js';

/** Whether umoci, another implementation of layers, is here. */
export const hasUmoci = ['/usr/bin/umoci', '/usr/local/bin/umoci'].some((path) => existsSync(path));

/** Makes an image of uncompressed layers in an empty folder, has umoci unpack it, and returns the root file system. */
export async function unpackWithUmoci(folder: string, layers: readonly Buffer[]): Promise<string> {
  const layout = join(folder, 'layout');
  const blobs = join(layout, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const put = async (mediaType: string, content: Buffer | object) => {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    const digest = digestOf(bytes);
    await writeFile(join(blobs, digest.slice('sha256:'.length)), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const layerType = 'application/vnd.oci.image.layer.v1.tar';
  const descriptors = await Promise.all(layers.map((layer) => put(layerType, layer)));
  const config = await put('application/vnd.oci.image.config.v1+json', {
    architecture: 'amd64',
    os: 'linux',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
  });
  const manifestType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = await put(manifestType, { schemaVersion: 2, mediaType: manifestType, config, layers: descriptors });
  const annotations = { 'org.opencontainers.image.ref.name': 'test' };
  await writeFile(
    join(layout, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }),
  );
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  execFileSync('umoci', ['unpack', '--image', `${layout}:test`, join(folder, 'bundle')], { stdio: 'pipe' });
  return join(folder, 'bundle', 'rootfs');
}
