import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseReference } from '@gantry/image-spec';
import { createRegistryClient } from '@gantry/registry-client';

/** One layer an argument pair, all at once; it fails if one does. Nothing is verified, kept as a blob or flushed. */
const script = `set -e -o pipefail
decompress=$1
shift
jobs=()
while [ $# -gt 0 ]; do
  curl --silent --show-error --fail "$1" | $decompress | tar -x -p --numeric-owner --xattrs --xattrs-include='*' -C "$2" &
  jobs+=($!)
  shift 2
done
for job in "\${jobs[@]}"; do wait "$job"; done`;

/**
 * Download, decompression and unpacking by one process each: the floor for all that use these programs.
 * @param {'gzip' | 'igzip'} decompressor
 * @returns {import('./puller.mjs').Puller}
 */
export const pipeline = (decompressor) => ({
  name: `bare ${decompressor}`,
  commands: ['bash', 'curl', decompressor, 'tar'],
  async start({ folder, reference, sandbox }) {
    const blobs = await layerUrls(reference);
    const folders = blobs.map((_, index) => join(folder, `${index}`));
    for (const path of folders) await mkdir(path);
    const pairs = blobs.flatMap((url, index) => [url, folders[index] ?? '']);
    return {
      async pull() {
        await sandbox.run('bash', ['-c', script, 'bash', `${decompressor} -d -c`, ...pairs]);
      },
      layers: async () => folders,
      close: async () => undefined,
    };
  },
});

/** @param {string} reference Of an image, not of an index. */
async function layerUrls(reference) {
  const name = parseReference(reference);
  const { bytes } = await createRegistryClient().getManifest(name);
  /** @type {{ layers: readonly { digest: string }[] }} */
  const { layers } = JSON.parse(Buffer.from(bytes).toString());
  return layers.map(({ digest }) => `http://${name.registry}/v2/${name.repository}/blobs/${digest}`);
}
