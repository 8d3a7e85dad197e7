import { GantryError } from '@gantry/interface';
import type { Call } from './call.js';
import { Exchange } from './exchange.js';
import { Fault, never } from './fault.js';
import { drain, type Reply } from './reply.js';
import type { Settings } from './settings.js';
import { Slots } from './slots.js';
import type { TransportRequest } from './transport.js';

/** A request before redirects. */
export interface WireRequest {
  readonly method: TransportRequest['method'];
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** As of the transport. */
  readonly lend?: boolean;
  /** Sent to the origin of `url` and, after a redirect away from it, never again. */
  readonly authorization?: string;
  /** The next URL for a Location header; throws if it must not be followed. */
  readonly follow: (from: URL, location: string | undefined) => URL;
}

const mostHops = 5;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** Sends requests, a slot of all and one of the host each, and follows their redirects hop by hop. */
export class Wire {
  readonly #settings: Settings;
  readonly #slots: Slots;
  readonly #hostSlots = new Map<string, Slots>();

  constructor(settings: Settings) {
    this.#settings = settings;
    this.#slots = new Slots(settings.maxConcurrent);
  }

  /** The response at the end of the redirects, whatever its status. Fails with a {@link Fault} or the call's end. */
  async open(call: Call, request: WireRequest): Promise<Reply> {
    const giveBack = await this.#takeSlots(call, request.url);
    call.takeTurn();
    try {
      const reply = await this.#followRedirects(call, request);
      return holdingSlot(reply, giveBack);
    } catch (error) {
      giveBack();
      throw error;
    }
  }

  /** First one of the host's: who waits for that keeps no other host's request waiting. */
  async #takeSlots(call: Call, { host }: URL): Promise<() => void> {
    const slots = this.#hostSlots.get(host) ?? new Slots(this.#settings.maxConcurrentPerHost);
    this.#hostSlots.set(host, slots);
    const ofHost = await slots.take(call.signal);
    const ofAll = await this.#slots.take(call.signal).catch((error: unknown) => {
      ofHost();
      throw error;
    });
    return () => {
      ofAll();
      ofHost();
      if (slots.idle) this.#hostSlots.delete(host);
    };
  }

  async #followRedirects(call: Call, request: WireRequest): Promise<Reply> {
    let url = request.url;
    let authorization = request.authorization;
    for (let hop = 0; hop <= mostHops; hop++) {
      const reply = await new Exchange(call, url, this.#settings.timeouts).send(this.#settings, {
        method: request.method,
        headers: {
          'accept-encoding': 'identity',
          'user-agent': this.#settings.userAgent,
          ...request.headers,
          ...(authorization !== undefined && { authorization }),
        },
        ...(request.body && { body: request.body }),
        ...(request.lend && { lend: true }),
      });
      if (!redirects.has(reply.status)) return reply;
      const next = await this.#nextUrl(call, request, reply);
      if (next.origin !== url.origin) authorization = undefined;
      url = next;
    }
    throw refused(call, request.url, `more than ${mostHops} redirects`);
  }

  async #nextUrl(call: Call, request: WireRequest, reply: Reply): Promise<URL> {
    await drain(reply);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw refused(call, reply.url, `redirects a ${request.method}, which is not followed`);
    }
    try {
      return request.follow(reply.url, reply.headers.get('location'));
    } catch (error) {
      throw error instanceof GantryError ? new Fault(error, never) : error;
    }
  }
}

function refused(call: Call, url: URL, reason: string): Fault {
  const details = { host: url.host };
  return new Fault(new GantryError('REGISTRY_ERROR', `${call.what}: ${url.host}: ${reason}`, { details }), never);
}

/** Gives the slot back when the body ends, fails or is closed. */
function holdingSlot(reply: Reply, giveBack: () => void): Reply {
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      yield* reply.body;
    } finally {
      giveBack();
    }
  }
  return {
    ...reply,
    body: body(),
    close: () => {
      reply.close();
      giveBack();
    },
  };
}
