import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { HostProgram, HostProgramEnd, HostPrograms, RunningProgram } from '@gantry/interface';

/** Milliseconds that a program which was killed has to end, before the caller is told all the same. */
const killTime = 5000;

/** Programs by Node.js alone. */
export const nodePrograms: HostPrograms = {
  run({ path, environment, input, mostOutput }: HostProgram): RunningProgram {
    const child = spawn(path, [], { env: { ...environment }, cwd: '/', detached: true, stdio: 'pipe' });
    // One that could not be started has no streams where Node.js is out of descriptors.
    if (child.pid === undefined) {
      return { ended: new Promise((_, reject) => child.once('error', reject)), kill: () => undefined };
    }
    // Of a signal that came too late.
    child.on('error', () => undefined);
    // One that does not read it, or has ended, says so by itself.
    child.stdin.on('error', () => undefined).end(input);
    const run = new Run(child, child.pid, mostOutput);
    return { ended: run.ended, kill: () => run.kill() };
  },
};

/** A process whose output is collected until it has ended. */
class Run {
  readonly ended: Promise<HostProgramEnd>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #pid: number;
  #timer: NodeJS.Timeout | undefined;
  #giveUp: () => void = () => undefined;

  constructor(child: ChildProcessWithoutNullStreams, pid: number, mostOutput: number) {
    this.#child = child;
    this.#pid = pid;
    const written = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    let isOverLimit = false;
    for (const name of ['stdout', 'stderr'] as const) {
      let size = 0;
      child[name].on('data', (piece: Buffer) => {
        size += piece.length;
        if (size <= mostOutput) written[name].push(piece);
        else if (!isOverLimit) {
          isOverLimit = true;
          this.kill();
        }
      });
    }
    const text = (name: 'stdout' | 'stderr') => Buffer.concat(written[name]).toString();
    this.ended = new Promise((resolve) => {
      const tell = (how: Pick<HostProgramEnd, 'code' | 'signal'>) => {
        clearTimeout(this.#timer);
        resolve({ stdout: text('stdout'), stderr: text('stderr'), isOverLimit, ...how });
      };
      child.on('close', (code, signal) => tell(code === null ? { signal: signal ?? 'unknown' } : { code }));
      this.#giveUp = () => tell({});
    });
  }

  kill(): void {
    try {
      process.kill(-this.#pid, 'SIGKILL');
    } catch {
      // The group is gone.
    }
    this.#timer ??= setTimeout(() => {
      for (const stream of this.#child.stdio) stream?.destroy();
      this.#giveUp();
    }, killTime);
  }
}
