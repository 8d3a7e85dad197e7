import {
  decodeJson,
  isDigest,
  isIndexType,
  type JsonObject,
  type JsonValue,
  maxDocumentBytes,
  sha256,
} from '@gantry/image-spec';
import { type Digest, isGantryError } from '@gantry/interface';
import type { Exchange } from './exchange.js';
import { type Reply, refusal } from './reply.js';
import type { Repository } from './repositories.js';

const tagGrammar = /^\w[\w.-]{0,127}$/;

/** GET, HEAD, PUT and DELETE of a manifest or index. OCI distribution-spec, "Pull", "Pushing Manifests" and "Deleting Manifests". */
export async function manifest(exchange: Exchange): Promise<Reply> {
  if (!isDigest(exchange.target) && !tagGrammar.test(exchange.target)) {
    return refusal(400, 'MANIFEST_INVALID', 'malformed tag or digest');
  }
  if (exchange.method === 'PUT') return put(exchange);
  if (exchange.method === 'DELETE') return remove(exchange);
  if (exchange.method === 'GET' || exchange.method === 'HEAD') return get(exchange);
  return refusal(405, 'UNSUPPORTED', `${exchange.method} of a manifest`);
}

async function get({ shelf, name, target }: Exchange): Promise<Reply> {
  const repository = shelf.repositories.get(name);
  if (!repository) return refusal(404, 'NAME_UNKNOWN', `no repository ${name}`);
  const digest = isDigest(target) ? target : repository.tags.get(target);
  const mediaType = digest === undefined ? undefined : repository.manifests.get(digest);
  const size = digest === undefined ? undefined : await shelf.content.size(digest);
  if (digest === undefined || mediaType === undefined || size === undefined) {
    return refusal(404, 'MANIFEST_UNKNOWN', `no manifest ${target} in ${name}`);
  }
  return {
    status: 200,
    headers: { 'Content-Type': mediaType, 'Docker-Content-Digest': digest },
    body: { size, read: (start, end) => shelf.content.read(digest, start, end) },
  };
}

async function put({ shelf, request, name, target }: Exchange): Promise<Reply> {
  const bytes = await readAll(request);
  if (!bytes) return refusal(413, 'SIZE_INVALID', `a manifest is at most ${maxDocumentBytes} bytes`);
  const repository = shelf.repositories.make(name);
  const fault = findFault(bytes, request.headers['content-type'] ?? '', repository);
  if (fault) return fault;

  const digest = isDigest(target) ? target : sha256(bytes);
  const writer = await shelf.content.begin();
  await writer.write(bytes);
  if (!(await writer.commit(digest)))
    return refusal(400, 'DIGEST_INVALID', `the content does not have digest ${digest}`);
  repository.manifests.set(digest, request.headers['content-type'] ?? '');
  if (!isDigest(target)) repository.tags.set(target, digest);
  await shelf.repositories.save();
  const subject = shelf.keepsReferrers ? subjectOf(bytes) : undefined;
  return {
    status: 201,
    headers: {
      Location: `/v2/${name}/manifests/${digest}`,
      'Docker-Content-Digest': digest,
      ...(subject !== undefined && { 'OCI-Subject': subject }),
    },
  };
}

/** By digest with all its tags; by tag only that. */
async function remove({ shelf, name, target }: Exchange): Promise<Reply> {
  const repository = shelf.repositories.get(name);
  const found = isDigest(target) ? repository?.manifests.delete(target) : repository?.tags.delete(target);
  if (!repository || !found) return refusal(404, 'MANIFEST_UNKNOWN', `no manifest ${target} in ${name}`);
  for (const [tag, digest] of repository.tags) if (digest === target) repository.tags.delete(tag);
  await shelf.repositories.save();
  return { status: 202, headers: {} };
}

/** The digest of a manifest's subject; undefined if it has none, or is not even JSON. OCI image-spec, manifest.md. */
export function subjectOf(bytes: Uint8Array): string | undefined {
  try {
    const digest = field(field(decodeJson(bytes), 'subject'), 'digest');
    return typeof digest === 'string' ? digest : undefined;
  } catch (error) {
    if (isGantryError(error)) return undefined;
    throw error;
  }
}

async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size <= maxDocumentBytes) parts.push(chunk);
  }
  return size <= maxDocumentBytes ? Buffer.concat(parts) : undefined;
}

/** As real registries do: what a manifest names must be there before it. */
function findFault(bytes: Uint8Array, contentType: string, repository: Repository): Reply | undefined {
  let document: JsonValue;
  try {
    document = decodeJson(bytes, { what: 'manifest' });
  } catch (error) {
    if (!isGantryError(error)) throw error;
    return refusal(400, 'MANIFEST_INVALID', error.message);
  }
  const mediaType = field(document, 'mediaType');
  if (contentType === '' || (mediaType !== undefined && mediaType !== contentType)) {
    return refusal(400, 'MANIFEST_INVALID', `media type ${mediaType} sent as ${contentType}`);
  }
  const known: { has(digest: Digest): boolean } = isIndexType(contentType) ? repository.manifests : repository.blobs;
  const missing = namedDigests(document).find((digest) => !isDigest(digest) || !known.has(digest));
  return missing === undefined
    ? undefined
    : refusal(404, 'MANIFEST_BLOB_UNKNOWN', `${missing} is not in the repository`);
}

function namedDigests(document: JsonValue): unknown[] {
  const lists = ['layers', 'manifests'].map((key) => field(document, key)).filter(Array.isArray);
  const descriptors = [field(document, 'config'), ...lists.flat()].filter((value) => value !== undefined);
  // A layer with URLs of its own is fetched from there and need not be here.
  return descriptors.filter((descriptor) => field(descriptor, 'urls') === undefined).map((one) => field(one, 'digest'));
}

export function field(value: JsonValue | undefined, key: string): JsonValue | undefined {
  // Objects of decodeJson have no prototype, and an array has none of the keys asked for.
  return typeof value === 'object' && value !== null ? (value as JsonObject)[key] : undefined;
}
