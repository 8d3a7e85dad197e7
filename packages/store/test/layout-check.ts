import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

interface LayoutEntry {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * Checks a folder against image-layout.md by hand: the version, every blob's content against its name, and every entry
 * of the index against its blob. Returns the entries by reference.
 */
export async function readLayout(layout: string): Promise<ReadonlyMap<string, LayoutEntry>> {
  const version: unknown = JSON.parse(await readFile(join(layout, 'oci-layout'), 'utf8'));
  if (JSON.stringify(version) !== '{"imageLayoutVersion":"1.0.0"}') throw new Error('oci-layout is wrong');
  for (const algorithm of await readdir(join(layout, 'blobs'))) {
    for (const name of await readdir(join(layout, 'blobs', algorithm))) {
      const bytes = await readFile(join(layout, 'blobs', algorithm, name));
      const hex = createHash(algorithm).update(bytes).digest('hex');
      if (hex !== name) throw new Error(`blob ${name} has digest ${hex}`);
    }
  }
  const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as { manifests: LayoutEntry[] };
  const entries = new Map<string, LayoutEntry>();
  for (const entry of index.manifests) {
    const bytes = await readFile(join(layout, 'blobs', ...entry.digest.split(':')));
    if (bytes.length !== entry.size) throw new Error(`${entry.digest} has ${bytes.length} bytes, not ${entry.size}`);
    entries.set(entry.annotations['org.opencontainers.image.ref.name'] ?? '', entry);
  }
  return entries;
}
