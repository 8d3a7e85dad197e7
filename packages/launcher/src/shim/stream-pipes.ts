import { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { addon } from '@gantry/native';

export interface Streams {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
}

/** Three pipes for the streams 0, 1 and 2 of a process. Whatever is not given away is closed by `close`. */
export class StreamPipes {
  readonly #ours: number[] = [];
  readonly #theirs: number[] = [];

  constructor() {
    try {
      for (const stream of [0, 1, 2]) {
        const { read, write } = addon().pipe();
        this.#theirs.push(stream === 0 ? read : write);
        this.#ours.push(stream === 0 ? write : read);
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The process's ends, in order. */
  get theirs(): readonly number[] {
    return this.#theirs;
  }

  /** Our ends as streams, which own them from now on. */
  streams(): Streams {
    const [stdin, stdout, stderr] = this.#ours.splice(0).map((fd, stream) => {
      const socket = new Socket({ fd, readable: stream !== 0, writable: stream === 0 });
      // Told to whoever writes, by its callback; a process that does not read its input is no fault of the host's.
      socket.on('error', () => undefined);
      return socket;
    }) as [Socket, Socket, Socket];
    return { stdin, stdout, stderr };
  }

  /** Once the process has its own copies: else its end would not be the end of the streams. */
  closeTheirs(): void {
    for (const fd of this.#theirs.splice(0)) addon().closeFd(fd);
  }

  close(): void {
    this.closeTheirs();
    for (const fd of this.#ours.splice(0)) addon().closeFd(fd);
  }
}
