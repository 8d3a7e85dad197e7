import {
  checkOciLayout,
  choosePlatform,
  hostPlatform,
  type ImageIndex,
  type IndexEntry,
  MediaType,
  parseManifest,
} from '@gantry/image-spec';
import { type Descriptor, GantryError, type Platform } from '@gantry/interface';
import { showNames } from './choose-named.js';
import { requireFile, type SourceFiles } from './source-files.js';

const refName = 'org.opencontainers.image.ref.name';
/** What docker and containerd call an image the `ref.name` of which is but its tag. */
const containerdName = 'io.containerd.image.name';

/** One image of a layout. */
export interface LayoutChoice {
  /** The layout's own name for it, if that is more than a tag. */
  readonly name: string | undefined;
  readonly top: Descriptor;
}

/**
 * Chooses an image of an OCI image layout by its name in `index.json`, and of several of one name by the platform.
 * `NOT_FOUND` if there is none of that name; `INVALID_ARGUMENT` (field `reference`) if there is a choice and no name.
 */
export async function chooseFromLayout(
  files: SourceFiles,
  reference: string | undefined,
  platform: Platform | undefined,
): Promise<LayoutChoice> {
  checkOciLayout(await files.read(await requireFile(files, 'oci-layout', 'the version of the image layout')));
  const index = await readIndex(files);
  const candidates = reference === undefined ? soleImage(files.name, index) : named(files.name, index, reference);
  const [first] = candidates;
  const entry =
    candidates.length === 1 && first
      ? first
      : choosePlatform({ ...index, manifests: candidates }, platform ?? hostPlatform());
  const { mediaType, digest, size } = entry;
  return { name: ownName(candidates), top: { mediaType, digest, size } };
}

async function readIndex(files: SourceFiles): Promise<ImageIndex> {
  const bytes = await files.read(await requireFile(files, 'index.json', 'the index of the image layout'));
  const parsed = parseManifest(bytes, MediaType.ociIndex);
  if (parsed.kind === 'index') return parsed.index;
  throw new GantryError('INVALID_DOCUMENT', `${files.name}: index.json is no index`, { details: { path: '$' } });
}

function named(source: string, index: ImageIndex, reference: string): readonly IndexEntry[] {
  const candidates = index.manifests.filter((entry) => namesOf(entry).includes(reference));
  if (candidates.length > 0) return candidates;
  throw new GantryError(
    'NOT_FOUND',
    `${source}: no image of the name ${JSON.stringify(reference)}; there is ${showNames(index.manifests.flatMap(namesOf))}`,
    { details: { reference } },
  );
}

/** All entries if they are one image: of one name, or all without, and so of different platforms at most. */
function soleImage(source: string, index: ImageIndex): readonly IndexEntry[] {
  if (index.manifests.length === 0) throw new GantryError('NOT_FOUND', `${source}: the image layout is empty`);
  const names = new Set(index.manifests.map((entry) => entry.annotations?.[refName]));
  if (names.size === 1) return index.manifests;
  throw new GantryError(
    'INVALID_ARGUMENT',
    `${source} holds several images, give one's name: ${showNames(index.manifests.flatMap(namesOf))}`,
    {
      details: { field: 'reference' },
    },
  );
}

function namesOf({ annotations }: IndexEntry): readonly (string | undefined)[] {
  return [annotations?.[refName], annotations?.[containerdName]];
}

/** A bare word is taken for a tag, as most tools write it there, not for a repository. */
function ownName(entries: readonly IndexEntry[]): string | undefined {
  return entries.flatMap((entry) => namesOf(entry)).findLast((name) => name !== undefined && /[/:@]/.test(name));
}
