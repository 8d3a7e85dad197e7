import { Transform, type TransformCallback } from 'node:stream';

const controlP = 0x10;
const controlQ = 0x11;

/** Passes keys on, but for ^P ^Q, at which it emits `detach` and passes nothing more. */
export class DetachKeys extends Transform {
  #isHeld = false;
  #isDetached = false;

  get isDetached(): boolean {
    return this.#isDetached;
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    const out: number[] = [];
    for (const byte of Buffer.from(chunk)) {
      if (this.#isDetached) break;
      if (this.#isHeld && byte === controlQ) {
        this.#isDetached = true;
        this.emit('detach');
        break;
      }
      if (this.#isHeld) out.push(controlP);
      this.#isHeld = byte === controlP;
      if (!this.#isHeld) out.push(byte);
    }
    done(null, Buffer.from(out));
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#isHeld && !this.#isDetached ? Buffer.from([controlP]) : undefined);
  }
}
