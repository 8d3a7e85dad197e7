import { GantryError } from '@gantry/interface';
import { JsonFields } from '../json/json-fields.js';
import type { JsonObject, JsonValue } from '../json/json-value.js';
import { quote } from '../quote.js';

/** One image of Docker's image specification 1: a layer with what `docker commit` knew of it. */
export interface V1Image {
  /** 64 lower-case hex digits: safe in a path. */
  readonly id: string;
  /** Id of the image below. */
  readonly parent?: string;
  readonly created?: string;
  readonly author?: string;
  readonly comment?: string;
  /** The command that made the layer. */
  readonly createdBy?: string;
  readonly os?: string;
  readonly architecture?: string;
  /** True if the layer changes no file. */
  readonly throwaway: boolean;
  /** The whole document, unknown fields included; its `config` says how the image wants to run. */
  readonly raw: JsonObject;
}

const what = 'v1 image';
const names = [
  'id',
  'parent',
  'created',
  'author',
  'comment',
  'container_config',
  'config',
  'os',
  'architecture',
  'throwaway',
  // Written by v1ImageConfig: another spelling must not stand beside them.
  'rootfs',
  'history',
] as const;
const idGrammar = /^[0-9a-f]{64}$/;

/** Longest line of images, lowest to topmost. */
const maxChain = 1024;

/** True for an id of a v1 image. */
export function isV1Id(text: string): boolean {
  return idGrammar.test(text);
}

/**
 * Reads the `json` file of a layer folder as `docker save` wrote it before schema 2, at most 4 MiB. `INVALID_DOCUMENT`
 * with the JSON path of the fault; an id that is not 64 lower-case hex digits is one. Docker image specification 1.
 */
export function parseV1Image(bytes: Uint8Array): V1Image {
  return readV1Image(JsonFields.decode(what, bytes, names));
}

/** As {@link parseV1Image}, of a value that stands at `path` in the document called `document`. */
export function v1ImageAt(document: string, path: string, value: JsonValue): V1Image {
  return readV1Image(new JsonFields(document, path, value, names));
}

function readV1Image(fields: JsonFields<(typeof names)[number]>): V1Image {
  const id = fields.requiredString('id');
  if (!isV1Id(id)) throw fields.invalid('id', `${quote(id)} is not 64 lower-case hex digits`);
  const parent = fields.string('parent');
  if (parent && !isV1Id(parent)) throw fields.invalid('parent', `${quote(parent)} is not 64 lower-case hex digits`);
  const texts = {
    parent,
    created: fields.dateTime('created'),
    author: fields.string('author'),
    comment: fields.string('comment'),
    createdBy: fields.object('container_config', ['Cmd'])?.strings('Cmd').join(' '),
    os: fields.string('os'),
    architecture: fields.string('architecture'),
  };
  const given: Partial<typeof texts> = Object.fromEntries(Object.entries(texts).filter(([, text]) => text));
  return { ...given, id, throwaway: fields.boolean('throwaway') ?? false, raw: fields.raw };
}

/**
 * The images that `top` stands on and itself, lowest first. `images` are the layer folders of an archive by their id.
 * `INVALID_DOCUMENT` for an image that is not there or comes twice; `LIMIT_EXCEEDED` beyond 1024.
 */
export function v1ImageChain(images: ReadonlyMap<string, V1Image>, top: string): readonly V1Image[] {
  const chain: V1Image[] = [];
  const seen = new Set<string>();
  for (let id: string | undefined = top; id !== undefined; ) {
    const image: V1Image | undefined = images.get(id);
    if (image === undefined || image.id !== id) throw broken(`image ${quote(id)} is missing`, id);
    if (seen.has(id)) throw broken(`image ${id} stands on itself`, id);
    if (seen.size >= maxChain) {
      throw new GantryError('LIMIT_EXCEEDED', `${what} ${top}: more than ${maxChain} images below it`, {
        details: { limit: maxChain },
      });
    }
    seen.add(id);
    chain.push(image);
    id = image.parent;
  }
  return chain.reverse();
}

function broken(reason: string, id: string): GantryError {
  return new GantryError('INVALID_DOCUMENT', `${what} at $.parent: ${reason}`, { details: { path: '$.parent', id } });
}
