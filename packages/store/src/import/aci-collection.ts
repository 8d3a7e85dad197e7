import { type AppcDependency, matchesAppcRequest, type ResolvedAppcImage } from '@gantry/image-spec';
import { type Digest, GantryError } from '@gantry/interface';
import { digestMismatch } from '../blob-errors.js';
import { type Aci, readAci } from './aci.js';
import { discoverAci } from './appc-discovery.js';
import { type HostFile, openHostFile } from './host-file.js';
import type { ImportContext } from './import-context.js';

/** Bytes of an archive whose size nothing tells. */
const maxAciBytes = 16 * 2 ** 30;
/** An image that leads to more is made to be downloaded for ever. */
const maxImages = 128;

/** The appc images of one import, by their ids; each is downloaded once, and closed with the collection. */
export class AciCollection implements AsyncDisposable {
  readonly #context: ImportContext;
  readonly #acis = new Map<Digest, Aci>();
  readonly #answers = new Map<string, Aci>();
  readonly #files: HostFile[] = [];

  constructor(context: ImportContext) {
    this.#context = context;
  }

  /** The ACI in a file of the caller's. */
  async open(path: string): Promise<Aci> {
    return this.#add(path, await openHostFile(path));
  }

  /** The image that a name and labels stand for. `INVALID_DOCUMENT` if what is found there is another; `DIGEST_MISMATCH` for another id. */
  async discover(wanted: AppcDependency): Promise<Aci> {
    const { imageName, imageId, labels, size } = wanted;
    const key = JSON.stringify([imageName, [...labels].sort()]);
    const aci = this.#answers.get(key) ?? (await this.#download(wanted, size ?? maxAciBytes));
    this.#answers.set(key, aci);
    if (!matchesAppcRequest(aci.manifest, imageName, labels)) {
      throw new GantryError('INVALID_DOCUMENT', `appc image ${imageName}: what discovery led to is another image`, {
        details: { name: imageName, found: aci.manifest.name },
      });
    }
    if (imageId !== undefined && imageId !== aci.id) throw digestMismatch(imageId, aci.id);
    return aci;
  }

  /** The image and all that it depends on. `LIMIT_EXCEEDED` beyond 128 images; whether there is a loop is told by their order. */
  async resolve(top: Aci): Promise<ReadonlyMap<Digest, ResolvedAppcImage>> {
    const resolved = new Map<Digest, ResolvedAppcImage>();
    const waiting = [top];
    for (let aci = waiting.shift(); aci; aci = waiting.shift()) {
      if (resolved.has(aci.id)) continue;
      const found: Aci[] = [];
      for (const dependency of aci.manifest.dependencies) found.push(await this.discover(dependency));
      resolved.set(aci.id, { manifest: aci.manifest, dependencies: found.map(({ id }) => id) });
      waiting.push(...found);
    }
    return resolved;
  }

  /** One of the images that were opened or discovered. */
  get(id: Digest): Aci {
    const aci = this.#acis.get(id);
    if (aci) return aci;
    throw new GantryError('NOT_FOUND', `appc image ${id} was not fetched`, { details: { id } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { handle } of this.#files) await handle.close();
  }

  async #download({ imageName: name, labels }: AppcDependency, maxBytes: number): Promise<Aci> {
    if (this.#files.length >= maxImages) {
      throw new GantryError(
        'LIMIT_EXCEEDED',
        `appc image ${name}: one of more than ${maxImages} that are depended on`,
        {
          details: { limit: maxImages },
        },
      );
    }
    this.#context.report({ type: 'resolving', reference: name });
    return this.#add(name, await discoverAci({ name, labels, maxBytes }, this.#context));
  }

  async #add(name: string, file: HostFile): Promise<Aci> {
    this.#files.push(file);
    const aci = await readAci(name, file, this.#context.signal);
    const known = this.#acis.get(aci.id) ?? aci;
    this.#acis.set(aci.id, known);
    return known;
  }
}
