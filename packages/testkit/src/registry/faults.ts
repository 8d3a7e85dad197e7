/** Which requests a fault befalls. What is left out matches all. */
export interface FaultMatch {
  readonly method?: string;
  /** A path without its query: exactly this text, or any that the expression finds. */
  readonly path?: string | RegExp;
  /** Lets this many matching requests pass first. Default 0. */
  readonly after?: number;
  /** Befalls this many, then passes. Default: all. */
  readonly times?: number;
}

/**
 * What goes wrong. Offsets and amounts are bytes of the answer's body.
 *
 * - `status`: answers with an error status; `retryAfter` is sent as it is: seconds, or an HTTP date.
 * - `redirect`: answers with a redirection (default 307).
 * - `reset`: the connection is reset after so many bytes of the body; without `afterBytes` before the request is even handled.
 * - `stall`: as `reset`, but the connection stays open and nothing more comes.
 * - `drip`: the body comes in pieces of `bytes` (default 1) every `intervalMs` (default 200).
 * - `wrong-digest`: the body has the right length and one wrong byte.
 * - `short`, `long`: the body, and the length that the head announces, is `by` bytes (default 1) shorter or longer than it should be.
 * - `ignore-range`: the whole body with status 200, whatever range was asked for.
 * - `wrong-range`: a 206 whose range starts at byte 0, whatever was asked for.
 * - `headers`: these replace or join the answer's own, e.g. a false `Docker-Content-Digest`.
 */
export type FaultBehaviour =
  | { readonly type: 'status'; readonly status: number; readonly retryAfter?: number | string }
  | { readonly type: 'redirect'; readonly location: string; readonly status?: 301 | 302 | 303 | 307 | 308 }
  | { readonly type: 'reset'; readonly afterBytes?: number }
  | { readonly type: 'stall'; readonly afterBytes?: number }
  | { readonly type: 'drip'; readonly bytes?: number; readonly intervalMs?: number }
  | { readonly type: 'wrong-digest' }
  | { readonly type: 'short'; readonly by?: number }
  | { readonly type: 'long'; readonly by?: number }
  | { readonly type: 'ignore-range' }
  | { readonly type: 'wrong-range' }
  | { readonly type: 'headers'; readonly headers: Readonly<Record<string, string>> };

/** A fault that was set. */
export interface Fault extends Disposable {
  /** How many requests it has befallen. */
  readonly hits: number;
  /** No request is befallen from now on. */
  remove(): void;
}

/** The faults of one registry; of several that match, the one set last wins. */
export class Faults {
  readonly #rules: Rule[] = [];

  add(match: FaultMatch, behaviour: FaultBehaviour): Fault {
    const rule = new Rule(match, behaviour);
    this.#rules.unshift(rule);
    return rule;
  }

  /** The behaviour for a request, counted as a hit. */
  take(method: string, path: string): FaultBehaviour | undefined {
    return this.#rules.find((rule) => rule.take(method, path))?.behaviour;
  }
}

class Rule implements Fault {
  readonly behaviour: FaultBehaviour;
  readonly #match: FaultMatch;
  #seen = 0;
  #hits = 0;
  #removed = false;

  constructor(match: FaultMatch, behaviour: FaultBehaviour) {
    this.#match = match;
    this.behaviour = behaviour;
  }

  get hits(): number {
    return this.#hits;
  }

  take(method: string, path: string): boolean {
    const { after = 0, times = Number.POSITIVE_INFINITY } = this.#match;
    if (this.#removed || this.#hits >= times || !this.#matches(method, path)) return false;
    this.#seen += 1;
    if (this.#seen <= after) return false;
    this.#hits += 1;
    return true;
  }

  #matches(method: string, path: string): boolean {
    const want = this.#match;
    if (want.method !== undefined && want.method.toUpperCase() !== method) return false;
    if (want.path === undefined) return true;
    return typeof want.path === 'string' ? want.path === path : path.search(want.path) >= 0;
  }

  remove(): void {
    this.#removed = true;
  }

  [Symbol.dispose](): void {
    this.remove();
  }
}
