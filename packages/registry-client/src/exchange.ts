import type { Call } from './call.js';
import { connectionFault } from './connection-fault.js';
import { Fault } from './fault.js';
import { type Reply, stallFault } from './reply.js';
import type { Settings } from './settings.js';
import type { TransportRequest, TransportResponse } from './transport.js';
import { Watchdog } from './watchdog.js';

interface ExchangeRequest extends Pick<TransportRequest, 'method' | 'headers' | 'lend'> {
  readonly body?: Uint8Array;
}

const sliceBytes = 64 * 1024;

/** One request and its response, under the call's signal and a watchdog of its own. */
export class Exchange {
  readonly #call: Call;
  readonly #url: URL;
  readonly #controller = new AbortController();
  readonly #watchdog: Watchdog;
  readonly #onEnd: () => void;
  #complete = false;

  constructor(call: Call, url: URL, { progressMs, progressBytes }: Settings['timeouts']) {
    this.#call = call;
    this.#url = url;
    this.#watchdog = new Watchdog(progressMs, progressBytes, () => {
      this.#controller.abort(stallFault(call.what, url, progressMs, progressBytes));
    });
    this.#onEnd = () => this.#controller.abort(call.signal.reason);
    if (call.signal.aborted) this.#onEnd();
    call.signal.addEventListener('abort', this.#onEnd, { once: true });
  }

  async send(settings: Settings, request: ExchangeRequest): Promise<Reply> {
    const { signal } = this.#controller;
    this.#watchdog.wait();
    try {
      if (signal.aborted) throw signal.reason;
      const { body, ...head } = request;
      const upload = body && { body: this.#upload(body) };
      const response = await settings.transport.send({ ...head, ...upload, url: this.#url, signal });
      this.#watchdog.stop();
      const { status, headers } = response;
      return { url: this.#url, status, headers, body: this.#download(response), close: () => this.close() };
    } catch (error) {
      const failure = this.#failure(error);
      this.close();
      throw failure;
    }
  }

  close(): void {
    this.#watchdog.end();
    this.#call.signal.removeEventListener('abort', this.#onEnd);
    if (!this.#complete) this.#controller.abort(new Error('no longer wanted'));
    this.#complete = true;
  }

  /** Piece by piece, so that progress can be seen. The clock runs on after the last one, until the peer answers. */
  async *#upload(body: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < body.byteLength; at += sliceBytes) {
      const slice = body.subarray(at, at + sliceBytes);
      yield slice;
      this.#watchdog.got(slice.byteLength);
      this.#watchdog.wait();
    }
  }

  async *#download(response: TransportResponse): AsyncGenerator<Uint8Array> {
    this.#watchdog.wait();
    try {
      for await (const chunk of response.body) {
        this.#watchdog.got(chunk.byteLength);
        yield chunk;
        this.#watchdog.wait();
      }
      this.#complete = true;
    } catch (error) {
      throw this.#failure(error);
    } finally {
      this.close();
    }
  }

  /** An abort of ours surfaces as some error of the transport; its reason is what happened. */
  #failure(error: unknown): unknown {
    if (this.#controller.signal.aborted) return this.#controller.signal.reason;
    return error instanceof Fault ? error : connectionFault(this.#call.what, this.#url, error);
  }
}
