import { randomUUID } from 'node:crypto';
import type { Content, ContentWriter } from './content.js';

/** Uploads that have begun and not ended, by their ids. */
export class UploadSessions {
  readonly #content: Content;
  readonly #writers = new Map<string, ContentWriter>();

  constructor(content: Content) {
    this.#content = content;
  }

  async begin(): Promise<{ id: string; writer: ContentWriter }> {
    const id = randomUUID();
    const writer = await this.#content.begin();
    this.#writers.set(id, writer);
    return { id, writer };
  }

  get(id: string): ContentWriter | undefined {
    return this.#writers.get(id);
  }

  /** Takes the upload out: whoever does owns its writer. */
  take(id: string): ContentWriter | undefined {
    const writer = this.#writers.get(id);
    this.#writers.delete(id);
    return writer;
  }

  async discardAll(): Promise<void> {
    await Promise.all(Array.from(this.#writers.keys(), (id) => this.take(id)?.discard()));
  }
}
