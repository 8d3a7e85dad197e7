import { type Digest, GantryError } from '@gantry/interface';
import type { AppcImageManifest } from './image-manifest.js';
import { narrow, type PathWhitelist } from './path-whitelist.js';

/** An image of which it is known what its dependencies were resolved to. */
export interface ResolvedAppcImage {
  readonly manifest: AppcImageManifest;
  /** Image ids of `manifest.dependencies`, in their order. */
  readonly dependencies: readonly Digest[];
}

/** One extraction into a root file system. */
export interface AppcRenderStep {
  readonly id: Digest;
  readonly manifest: AppcImageManifest;
  /** If given, only these paths of the image, and the folders on the way to them, are wanted. See {@link whitelistFilter}. */
  readonly whitelist?: ReadonlySet<string>;
}

const maxDepth = 32;
const maxSteps = 512;
/** Paths of all whitelists that are compared, so that a web of long lists takes no time. */
const maxPaths = 1_000_000;

/**
 * The order in which images are laid over one another to give the root file system of `top`, lowest first and `top`
 * last: depth first, each image after its own dependencies. An image that is there more than once with the same
 * whitelist is laid only where it comes last, which gives the same files.
 *
 * `images` are those that were resolved, by id. `INVALID_DOCUMENT` for one that is missing or depends on itself (`details.ids`
 * is the way to it); `LIMIT_EXCEEDED` beyond 32 levels or 512 steps. appc 0.8, ace.md#filesystem-setup.
 */
export function orderAppcDependencies(
  top: Digest,
  images: ReadonlyMap<Digest, ResolvedAppcImage>,
): readonly AppcRenderStep[] {
  const topmostFirst: AppcRenderStep[] = [];
  const seen = new Set<string>();
  const numberOf = whitelistNumbers();

  function visit(id: Digest, outer: PathWhitelist, way: readonly Digest[]): void {
    if (way.includes(id)) throw broken(`${id} depends on itself`, [...way, id]);
    const image = images.get(id);
    if (image === undefined) throw broken(`${id} is missing`, [...way, id]);
    const whitelist = narrow(outer, image.manifest.pathWhitelist);
    const key = `${id} ${numberOf(whitelist)}`;
    if (seen.has(key)) return;
    seen.add(key);

    const here = [...way, id];
    const [wanted, given] = [image.manifest.dependencies.length, image.dependencies.length];
    if (wanted !== given) throw broken(`${id} has ${wanted} dependencies, but ${given} were resolved`, here);
    if (here.length > maxDepth) throw tooMany(`more than ${maxDepth} levels`, here);
    if (topmostFirst.length >= maxSteps) throw tooMany(`more than ${maxSteps} images to lay over one another`, here);
    topmostFirst.push({ id, manifest: image.manifest, ...(whitelist && { whitelist }) });
    for (const dependency of image.dependencies.toReversed()) visit(dependency, whitelist, here);
  }

  visit(top, undefined, []);
  return topmostFirst.reverse();
}

/** Gives equal whitelists one number. A whitelist that was handed down is looked up, not compared. */
function whitelistNumbers(): (whitelist: PathWhitelist) => number {
  const known = new Map<PathWhitelist, number>();
  const byPaths = new Map<string, number>();
  let paths = 0;
  return (whitelist) => {
    const number = known.get(whitelist);
    if (number !== undefined || whitelist === undefined) return number ?? 0;
    paths += whitelist.size;
    if (paths > maxPaths) throw tooMany(`more than ${maxPaths} paths in whitelists`, []);
    const text = JSON.stringify([...whitelist].sort());
    const equal = byPaths.get(text) ?? byPaths.size + 1;
    byPaths.set(text, equal);
    known.set(whitelist, equal);
    return equal;
  };
}

function broken(reason: string, ids: readonly Digest[]): GantryError {
  return new GantryError('INVALID_DOCUMENT', `appc image at $.dependencies: ${reason}`, {
    details: { path: '$.dependencies', ids },
  });
}

function tooMany(reason: string, ids: readonly Digest[]): GantryError {
  return new GantryError('LIMIT_EXCEEDED', `appc image at $.dependencies: ${reason}`, {
    details: { path: '$.dependencies', ids },
  });
}
