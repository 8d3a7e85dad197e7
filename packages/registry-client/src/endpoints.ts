import { Call } from './call.js';
import { Fault, faultOf } from './fault.js';
import { mayUseHttp, resolveLocation } from './hops.js';
import { drain } from './reply.js';
import type { Settings } from './settings.js';
import { SharedWork } from './shared-work.js';
import type { Wire } from './wire.js';

/** Docker Hub's name in references is not the host that serves it. */
const hosts: ReadonlyMap<string, string> = new Map([['docker.io', 'registry-1.docker.io']]);

/** Finds the base URL of registries. One that may use plain HTTP is asked once whether it speaks TLS, which is preferred. */
export class Endpoints {
  readonly #wire: Wire;
  readonly #settings: Settings;
  readonly #found = new Map<string, URL>();
  readonly #probes = new SharedWork<URL>();

  constructor(wire: Wire, settings: Settings) {
    this.#wire = wire;
    this.#settings = settings;
  }

  /** `https://registry.example/v2/`. */
  async baseOf(call: Call): Promise<URL> {
    const host = hosts.get(call.registry) ?? call.registry;
    const secure = new URL(`https://${host}/v2/`);
    if (!mayUseHttp(host, this.#settings.insecure)) return secure;
    const found = this.#found.get(host);
    if (found) return found;
    try {
      const base = await this.#probes.join(host, call.signal, (signal) => this.#probe(secure, signal));
      this.#found.set(host, base);
      return base;
    } catch (error) {
      throw faultOf(call.what, error);
    }
  }

  async #probe(secure: URL, signal: AbortSignal): Promise<URL> {
    const { totalMs } = this.#settings.timeouts;
    const call = new Call('is there TLS', secure.host, { signal }, undefined, totalMs);
    try {
      return (await this.#speaksTls(call, secure)) ? secure : new URL(`http://${secure.host}/v2/`);
    } finally {
      call.end();
    }
  }

  async #speaksTls(call: Call, url: URL): Promise<boolean> {
    try {
      const follow = (from: URL, location: string | undefined) =>
        resolveLocation(call.what, from, location, this.#settings.insecure);
      await drain(await this.#wire.open(call, { method: 'GET', url, headers: {}, follow }));
      return true;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      const { kind } = error.advice;
      // Without a port, TLS is tried on 443 and plain HTTP on 80: that nothing listens on the one says nothing of the other.
      if (kind === 'no-tls' || (kind === 'refused' && url.port === '')) return false;
      throw error;
    }
  }
}
