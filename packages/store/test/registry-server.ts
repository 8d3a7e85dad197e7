import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestImage } from './test-image.js';

/** A registry on the loopback device that holds what it is given and counts what it is asked. */
export class RegistryServer implements AsyncDisposable {
  /** How often each path below `/v2/` was asked for by GET. */
  readonly gets = new Map<string, number>();
  /** Called before a blob is sent; the blob waits for it. */
  onBlob: (digest: string) => Promise<void> | void = () => undefined;
  /** If set, blobs stop after this many bytes, and the rest waits for {@link onRest}. */
  firstBytes = Number.POSITIVE_INFINITY;
  onRest: () => Promise<void> = async () => undefined;
  /** Called for a request whose connection was closed before its answer was complete. */
  onBroken: (path: string) => void = () => undefined;
  readonly #documents = new Map<string, { readonly mediaType: string; readonly bytes: Uint8Array }>();
  readonly #server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/^\/v2\//, '');
    if (request.method === 'GET') this.gets.set(path, (this.gets.get(path) ?? 0) + 1);
    response.once('close', () => response.writableFinished || this.onBroken(path));
    this.#answer(path, response).catch((error: unknown) => response.destroy(error as Error));
  });

  static async start(): Promise<RegistryServer> {
    const server = new RegistryServer();
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Adds an image under a repository and tag, or puts it in another's place. */
  add(repository: string, tag: string, image: TestImage): string {
    for (const { descriptor, bytes } of image.manifests) {
      this.#documents.set(`${repository}/manifests/${descriptor.digest}`, { mediaType: descriptor.mediaType, bytes });
    }
    for (const [digest, bytes] of image.blobs) {
      this.#documents.set(`${repository}/blobs/${digest}`, { mediaType: 'application/octet-stream', bytes });
    }
    const { descriptor, bytes } = image.top;
    this.#documents.set(`${repository}/manifests/${tag}`, { mediaType: descriptor.mediaType, bytes });
    return `${this.host}/${repository}:${tag}`;
  }

  /** Makes a blob's content something else. */
  replaceBlob(repository: string, digest: string, bytes: Uint8Array): void {
    this.#documents.set(`${repository}/blobs/${digest}`, { mediaType: 'application/octet-stream', bytes });
  }

  /** Forgets a tag. */
  remove(repository: string, tag: string): void {
    this.#documents.delete(`${repository}/manifests/${tag}`);
  }

  removeBlob(repository: string, digest: string): void {
    this.#documents.delete(`${repository}/blobs/${digest}`);
  }

  blobGets(): number[] {
    return [...this.gets].filter(([path]) => path.includes('/blobs/')).map(([, count]) => count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(path: string, response: ServerResponse): Promise<void> {
    const document = this.#documents.get(path);
    if (!document) {
      response.writeHead(path === '' ? 200 : 404).end();
      return;
    }
    const { mediaType, bytes } = document;
    if (path.includes('/blobs/')) await this.onBlob(path.slice(path.indexOf('/blobs/') + 7));
    response.writeHead(200, { 'content-type': mediaType, 'content-length': bytes.byteLength });
    if (path.includes('/blobs/') && bytes.byteLength > this.firstBytes) {
      response.write(bytes.subarray(0, this.firstBytes));
      await this.onRest();
      if (!response.destroyed) response.end(bytes.subarray(this.firstBytes));
    } else response.end(bytes);
  }
}
