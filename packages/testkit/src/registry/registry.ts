import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { sha256 } from '@gantry/image-spec';
import { type Digest, GantryError } from '@gantry/interface';
import { type AuthOptions, createGate, type Gate } from './auth.js';
import type { Content } from './content.js';
import type { Shelf } from './exchange.js';
import { type Fault, type FaultBehaviour, type FaultMatch, Faults } from './faults.js';
import { FolderContent } from './folder-content.js';
import { MemoryContent } from './memory-content.js';
import { type Reply, refusal } from './reply.js';
import { Repositories } from './repositories.js';
import { route } from './router.js';
import { breakOff, send } from './send.js';
import { answerInstead, endingOf, silences, spoil } from './spoil.js';
import { UploadSessions } from './upload-sessions.js';

export interface RegistryOptions {
  /** Default: one that is free. */
  readonly port?: number;
  /** Keeps the content in this folder, which must exist and may hold what an earlier registry kept. Default: in memory. */
  readonly folder?: string;
  readonly auth?: AuthOptions;
  /** Whether it has the referrers API, as registries of OCI distribution-spec 1.1 do. Default true. */
  readonly referrers?: boolean;
}

/** A request as the registry saw it. */
export interface RequestRecord {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** HTTP status of the answer; undefined until it is sent, and if none ever was. */
  readonly status: number | undefined;
}

/** A registry of this process. OCI distribution-spec 1.1, and the catalog of the distribution project. */
export interface TestRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`, as it stands in references. */
  readonly address: string;
  /** All requests so far, in the order of their arrival. */
  readonly requests: readonly RequestRecord[];
  /** Lets something go wrong with the requests that match, until the fault is removed. */
  fault(match: FaultMatch, behaviour: FaultBehaviour): Fault;
  /** Puts a blob in without any request. */
  addBlob(repository: string, bytes: Uint8Array): Promise<Digest>;
  /** Puts a manifest in without any request or check: also one that no registry would take. */
  addManifest(repository: string, tag: string, mediaType: string, bytes: Uint8Array): Promise<Digest>;
  /** No token given so far is taken any more. */
  revokeTokens(): void;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Starts a registry on 127.0.0.1, over plain http. `SYSTEM` if the port is taken. */
export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const { folder } = options;
  const content = folder === undefined ? new MemoryContent() : new FolderContent(folder);
  const repositories = await Repositories.open(folder);
  const registry = new InProcessRegistry(
    { content, repositories, uploads: new UploadSessions(content), keepsReferrers: options.referrers ?? true },
    createGate(options.auth),
  );
  await registry.listen(options.port ?? 0);
  return registry;
}

class InProcessRegistry implements TestRegistry {
  readonly #shelf: Shelf;
  readonly #gate: Gate;
  readonly #faults = new Faults();
  readonly #requests: { -readonly [K in keyof RequestRecord]: RequestRecord[K] }[] = [];
  readonly #server: Server;
  #address = '';

  constructor(shelf: Shelf, gate: Gate) {
    this.#shelf = shelf;
    this.#gate = gate;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  get address(): string {
    return this.#address;
  }

  get requests(): readonly RequestRecord[] {
    return this.#requests;
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (cause) => {
        reject(new GantryError('SYSTEM', `cannot listen on 127.0.0.1:${port}: ${cause.message}`, { cause }));
      });
      this.#server.listen(port, '127.0.0.1', () => {
        this.#address = `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
        resolve();
      });
    });
  }

  fault(match: FaultMatch, behaviour: FaultBehaviour): Fault {
    return this.#faults.add(match, behaviour);
  }

  async addBlob(repository: string, bytes: Uint8Array): Promise<Digest> {
    const digest = await keep(this.#shelf.content, bytes);
    this.#shelf.repositories.make(repository).blobs.add(digest);
    await this.#shelf.repositories.save();
    return digest;
  }

  async addManifest(repository: string, tag: string, mediaType: string, bytes: Uint8Array): Promise<Digest> {
    const digest = await keep(this.#shelf.content, bytes);
    const { manifests, tags } = this.#shelf.repositories.make(repository);
    manifests.set(digest, mediaType);
    tags.set(tag, digest);
    await this.#shelf.repositories.save();
    return digest;
  }

  revokeTokens(): void {
    this.#gate.tokens?.revoke();
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
    await this.#shelf.uploads.discardAll();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const record = { method, path: url, headers, status: undefined as number | undefined };
    this.#requests.push(record);
    try {
      const parsed = new URL(url, 'http://registry');
      const fault = this.#faults.take(method, parsed.pathname);
      if (silences(fault)) return await breakOff(response, fault.type);
      const reply = answerInstead(fault) ?? (await this.#handle(request, parsed));
      const spoilt = spoil(reply, fault, headers);
      record.status = spoilt.status;
      await send(response, method, spoilt, endingOf(fault));
    } catch {
      // The other side went away in the middle, or a file of ours did: either way the answer cannot be completed.
      response.destroy();
    }
  }

  async #handle(request: IncomingMessage, url: URL): Promise<Reply> {
    try {
      return await route(this.#shelf, this.#gate, request, url);
    } catch (error) {
      if (request.destroyed && !request.complete) throw error;
      return refusal(500, 'UNKNOWN', error instanceof Error ? error.message : String(error));
    }
  }
}

async function keep(content: Content, bytes: Uint8Array): Promise<Digest> {
  const digest = sha256(bytes);
  const writer = await content.begin();
  await writer.write(bytes);
  await writer.commit(digest);
  return digest;
}
