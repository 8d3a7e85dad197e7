import { type Descriptor, GantryError, type Platform } from '@gantry/interface';
import { isConfigType, isIndexType, isManifestType } from './media-types.js';
import type { ImageIndex, IndexEntry } from './oci/manifest.js';

/** Node.js's names of processors that differ from Go's. */
const goArchitectures: ReadonlyMap<string, string> = new Map([
  ['x64', 'amd64'],
  ['ia32', '386'],
  ['ppc64', 'ppc64le'],
  ['mipsel', 'mipsle'],
]);

/** Other spellings that indexes and people use. */
const spellings: ReadonlyMap<string, string> = new Map([
  ['x86_64', 'amd64'],
  ['x86-64', 'amd64'],
  ['i386', '386'],
  ['i686', '386'],
  ['aarch64', 'arm64'],
]);

/** Families in which a processor also runs what is made for a lower variant; the number is the one that no variant means. */
const variantFloors: ReadonlyMap<string, { readonly lowest: number; readonly implied: number }> = new Map([
  ['amd64', { lowest: 1, implied: 1 }],
  ['arm', { lowest: 5, implied: 7 }],
  ['arm64', { lowest: 8, implied: 8 }],
]);

/** The platform of containers on this host: Linux on its processor, by Go's names. */
export function hostPlatform(): Platform {
  const architecture = goArchitectures.get(process.arch) ?? process.arch;
  if (architecture !== 'arm') return { os: 'linux', architecture };
  const { arm_version: version } = process.config.variables as { arm_version?: unknown };
  return { os: 'linux', architecture, variant: `v${String(version ?? 7)}` };
}

/** `os/architecture[/variant]`. */
export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter((part) => part).join('/');
}

/**
 * The manifest of an index that suits a platform best: operating system and processor equal, of the variants that the
 * processor runs the highest (arm/v7 takes v7, v6, v5; arm64 without variant is v8; amd64 without is v1), else the only
 * one without platform. Attestations and other artifacts are passed over. `NO_PLATFORM` lists what is there, in `details.available`.
 */
export function choosePlatform(index: ImageIndex, platform: Platform): Descriptor {
  const candidates = index.manifests.filter(isImage);
  const ranked = candidates
    .map((entry) => ({ entry, rank: entry.platform ? rank(platform, entry.platform) : undefined }))
    .filter((choice): choice is { entry: IndexEntry; rank: number } => choice.rank !== undefined)
    .sort((left, right) => right.rank - left.rank);
  if (ranked[0]) return ranked[0].entry;

  const unlabelled = candidates.filter((entry) => entry.platform === undefined);
  if (unlabelled.length === 1 && unlabelled[0]) return unlabelled[0];

  const available = candidates.flatMap((entry) => (entry.platform ? [formatPlatform(entry.platform)] : []));
  throw new GantryError(
    'NO_PLATFORM',
    `no image for ${formatPlatform(platform)}; there is ${available.join(', ') || 'none with a platform'}`,
    { details: { platform: formatPlatform(platform), available } },
  );
}

function isImage(entry: IndexEntry): boolean {
  const attestation =
    entry.annotations?.['vnd.docker.reference.type'] === 'attestation-manifest' ||
    (entry.platform?.os === 'unknown' && entry.platform.architecture === 'unknown');
  const artifact = entry.artifactType !== undefined && !isConfigType(entry.artifactType);
  return !attestation && !artifact && (isManifestType(entry.mediaType) || isIndexType(entry.mediaType));
}

/** How well an image of platform `offered` suits `wanted`; higher is better, undefined is not at all. */
function rank(wanted: Platform, offered: Platform): number | undefined {
  const architecture = canonicalArchitecture(wanted);
  if (wanted.os !== offered.os || architecture !== canonicalArchitecture(offered)) return undefined;
  if (wanted.osVersion && offered.osVersion && wanted.osVersion !== offered.osVersion) return undefined;

  const floor = variantFloors.get(architecture);
  if (floor) {
    const highest = variantNumber(wanted, floor.implied);
    const given = variantNumber(offered, floor.implied);
    const runs = given !== undefined && highest !== undefined && given >= floor.lowest && given <= highest;
    return runs ? given : undefined;
  }
  if (!wanted.variant) return offered.variant ? 0 : 1;
  if (!offered.variant) return 0;
  return offered.variant === wanted.variant ? 1 : undefined;
}

function canonicalArchitecture({ architecture }: Platform): string {
  return spellings.get(architecture) ?? architecture;
}

/** 7 of `v7` and of `7`; undefined for a variant that is no such number. */
function variantNumber({ variant }: Platform, implied: number): number | undefined {
  if (!variant) return implied;
  const digits = /^v?([0-9]{1,2})$/.exec(variant)?.[1];
  return digits === undefined ? undefined : Number(digits);
}
