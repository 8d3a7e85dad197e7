import type { IncomingMessage } from 'node:http';
import { isDigest } from '@gantry/image-spec';
import type { Digest } from '@gantry/interface';
import type { ContentWriter } from './content.js';
import type { Exchange } from './exchange.js';
import { type Reply, refusal } from './reply.js';

/** POST to `blobs/uploads/`: a mount from another repository, a whole blob, or the begin of an upload. OCI distribution-spec, spec.md#pushing-blobs. */
export async function beginUpload(exchange: Exchange): Promise<Reply> {
  const { shelf, method, name, query, request } = exchange;
  if (method !== 'POST') return refusal(405, 'UNSUPPORTED', `${method} of uploads`);
  const mount = query.get('mount');
  const from = query.get('from');
  if (isDigest(mount) && from !== null && shelf.repositories.get(from)?.blobs.has(mount)) {
    return created(exchange, mount);
  }
  const { id, writer } = await shelf.uploads.begin();
  const digest = query.get('digest');
  if (digest !== null) return finish(exchange, id, digest);
  await receive(request, writer);
  return accepted(name, id, writer.size, 202);
}

/** GET, PATCH, PUT and DELETE of an upload that has begun. */
export async function continueUpload(exchange: Exchange, id: string): Promise<Reply> {
  const { shelf, method, name, query, request } = exchange;
  const writer = shelf.uploads.get(id);
  if (!writer) return refusal(404, 'BLOB_UPLOAD_UNKNOWN', `no upload ${id}`);
  if (method === 'GET') return accepted(name, id, writer.size, 204);
  if (method === 'DELETE') {
    await shelf.uploads.take(id)?.discard();
    return { status: 204, headers: {} };
  }
  if (method !== 'PATCH' && method !== 'PUT') return refusal(405, 'UNSUPPORTED', `${method} of an upload`);
  const start = /^(?:bytes )?(\d+)-\d+/.exec(request.headers['content-range'] ?? '')?.[1];
  if (start !== undefined && Number(start) !== writer.size) {
    return refusal(
      416,
      'BLOB_UPLOAD_INVALID',
      `chunk starts at ${start}, want ${writer.size}`,
      place(name, id, writer.size),
    );
  }
  if (method === 'PUT') return finish(exchange, id, query.get('digest'));
  await receive(request, writer);
  return accepted(name, id, writer.size, 202);
}

async function finish(exchange: Exchange, id: string, digest: string | null): Promise<Reply> {
  const { shelf, request } = exchange;
  const writer = shelf.uploads.take(id);
  if (!writer) return refusal(404, 'BLOB_UPLOAD_UNKNOWN', `no upload ${id}`);
  try {
    await receive(request, writer);
  } catch (error) {
    await writer.discard();
    throw error;
  }
  if (!isDigest(digest)) {
    await writer.discard();
    return refusal(400, 'DIGEST_INVALID', 'the query has no well-formed digest');
  }
  if (!(await writer.commit(digest)))
    return refusal(400, 'DIGEST_INVALID', `the content does not have digest ${digest}`);
  return created(exchange, digest);
}

async function receive(request: IncomingMessage, writer: ContentWriter): Promise<void> {
  for await (const chunk of request) await writer.write(chunk);
}

async function created({ shelf, name }: Exchange, digest: Digest): Promise<Reply> {
  shelf.repositories.make(name).blobs.add(digest);
  await shelf.repositories.save();
  return { status: 201, headers: { Location: `/v2/${name}/blobs/${digest}`, 'Docker-Content-Digest': digest } };
}

function accepted(name: string, id: string, size: number, status: 202 | 204): Reply {
  return { status, headers: place(name, id, size) };
}

function place(name: string, id: string, size: number): Record<string, string> {
  return {
    Location: `/v2/${name}/blobs/uploads/${id}`,
    'Docker-Upload-UUID': id,
    Range: `0-${Math.max(0, size - 1)}`,
  };
}
