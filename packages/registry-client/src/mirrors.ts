import { type Digest, type ImageReference, isGantryError } from '@gantry/interface';
import type { Call } from './call.js';
import { publicError } from './fault.js';
import { type Mirror, mirrored } from './mirror-settings.js';
import type { Settings } from './settings.js';

/** One place to pull from: a mirror, or last the registry itself. */
export interface Source {
  readonly call: Call;
  readonly reference: ImageReference;
  readonly mirror?: Mirror;
}

/** A mirror that could not be reached is left alone for so long, so that not every layer waits for it again. */
const restMs = 30_000;
const mostDistrusted = 1000;

/** Tries the mirrors of a registry before the registry itself, for what is pulled. */
export class Mirrors {
  readonly #settings: Settings;
  readonly #restUntil = new Map<Mirror, number>();
  readonly #distrusted = new Set<string>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Does the work at the first place that does not fail. A mirror never gets the login of the registry. */
  async tryEach<T>(call: Call, reference: ImageReference, work: (source: Source) => Promise<T>): Promise<T> {
    for (const mirror of this.of(call.registry)) {
      let source: Source | undefined;
      try {
        source = await this.source(call, reference, mirror);
        return await work(source);
      } catch (error) {
        this.fellBack(call, mirror, error);
      } finally {
        source?.call.end();
      }
    }
    return work({ call, reference });
  }

  /** The mirrors that are worth asking, of those with this blob only the ones that did not spoil it. */
  of(registry: string, digest?: Digest): readonly Mirror[] {
    const now = performance.now();
    return (this.#settings.mirrors.get(registry) ?? []).filter(
      (mirror) =>
        (this.#restUntil.get(mirror) ?? 0) <= now &&
        (digest === undefined || !this.#distrusted.has(distrustKey(mirror, digest))),
    );
  }

  /** What is to be asked at a mirror. Its call must be ended. */
  async source(call: Call, reference: ImageReference, mirror: Mirror): Promise<Source> {
    const there = mirrored(reference, mirror);
    const { registry, repository } = there;
    const login =
      mirror.credentials ?? (await this.#settings.credentialsFor(registry, { repository, signal: call.signal }));
    return { call: call.at(registry, login, mirror.deadlineMs), reference: there, mirror };
  }

  /** Reports that a mirror failed. Throws if there is no point in going on: the call itself has ended. */
  fellBack(call: Call, mirror: Mirror, failure: unknown): void {
    call.throwIfEnded();
    const error = publicError(failure, call.what);
    const isDown = isGantryError(error, 'UNREACHABLE') || isGantryError(error, 'TIMEOUT');
    if (isDown) this.#restUntil.set(mirror, performance.now() + restMs);
    call.report({ type: 'retrying', what: call.what, attempt: 1, delayMs: 0, reason: error.message });
  }

  /** The mirror's content of this blob was wrong. What was handed out cannot be taken back; the next call goes elsewhere. */
  distrust(mirror: Mirror, digest: Digest): void {
    if (this.#distrusted.size >= mostDistrusted) this.#distrusted.clear();
    this.#distrusted.add(distrustKey(mirror, digest));
  }
}

function distrustKey({ registry, prefix }: Mirror, digest: Digest): string {
  return `${registry}/${prefix} ${digest}`;
}
