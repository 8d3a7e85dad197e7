import { type FileHandle, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { appcDiscoveryUrls, parseAppcMeta } from '@gantry/image-spec';
import { type ErrorCode, GantryError, isGantryError } from '@gantry/interface';
import { downloadFile, fetchDocument } from '@gantry/registry-client';
import { ownedName } from '../owned-name.js';
import type { HostFile } from './host-file.js';
import type { ImportContext } from './import-context.js';

const maxPageBytes = 1024 * 1024;

/** What a server may answer where there is no such image; anything else is no reason to look elsewhere. */
const absent: ReadonlySet<ErrorCode> = new Set(['NOT_FOUND', 'UNAUTHORIZED', 'REGISTRY_ERROR']);

/** An image to be found. */
export interface AppcRequest {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  /** The most bytes that its archive may have. */
  readonly maxBytes: number;
}

/**
 * Finds an appc image by its name and labels, and downloads it: simple discovery first, then the discovery pages of the
 * name and of its parents. Detached signatures are not looked at: https, and the image id where a dependency tells it, are
 * what vouches for an image. `NOT_FOUND` if there is none. appc 0.8, discovery.md.
 */
export async function discoverAci(request: AppcRequest, context: ImportContext): Promise<HostFile> {
  const { simple, meta } = appcDiscoveryUrls(request.name, request.labels);
  const tried: GantryError[] = [];
  const attempt = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!isGantryError(error) || !absent.has(error.code)) throw error;
      tried.push(error);
      return undefined;
    }
  };
  const found = simple && (await attempt(() => download(simple.image, request, context)));
  if (found) return found;
  for (const url of meta) {
    const page = await attempt(() => fetchDocument(url, maxPageBytes, webOptions(context)));
    const images = page ? parseAppcMeta(page, request.name, request.labels).images : [];
    for (const { image } of images) {
      const file = await attempt(() => download(image, request, context));
      if (file) return file;
    }
    // A page that knows the name is the last one asked.
    if (images.length > 0) break;
  }
  throw new GantryError('NOT_FOUND', `appc image ${request.name}: discovery found none of its labels`, {
    cause: new AggregateError(tried, 'what was tried'),
    details: { name: request.name, labels: Object.fromEntries(request.labels) },
  });
}

/** The file has no name: it is gone when it is closed, whatever happens before. */
async function download(url: string, { maxBytes }: AppcRequest, context: ImportContext): Promise<HostFile> {
  const path = join(context.parts.folders.ingest, await ownedName());
  const handle = await open(path, 'wx+', 0o600);
  try {
    await rm(path);
    return { handle, size: await save(downloadFile(url, { ...webOptions(context), maxBytes }), handle) };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function save(content: AsyncIterable<Uint8Array>, handle: FileHandle): Promise<number> {
  let size = 0;
  for await (const chunk of content) {
    await handle.writeFile(chunk);
    size += chunk.byteLength;
  }
  return size;
}

function webOptions({ parts: { web }, signal, report }: ImportContext) {
  return { ...web, ...(signal && { signal }), onProgress: report };
}
