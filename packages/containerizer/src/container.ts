import {
  type CleanupStep,
  type ContainerState,
  type ContainerStatus,
  type ContainerTermination,
  type ExitStatus,
  GantryError,
  type IsolatorStatus,
  type LaunchedContainer,
  type LaunchRequest,
  type Limitation,
} from '@gantry/interface';
import { tellStep } from './diagnostics.js';
import type { ContainerRecord, PodRecord } from './record.js';
import { signalName } from './signals.js';
import type { CheckedSpec } from './spec.js';
import type { StateFolder } from './state-folder.js';
import { checkTransition } from './states.js';
import { Turns } from './turns.js';

/** What a containerizer holds in memory of one container. */
export class Container {
  readonly spec: CheckedSpec;
  readonly createdAt: number;
  /** Fires when the container is to end before it runs. */
  readonly abort = new AbortController();
  readonly terminated: Promise<ContainerTermination>;
  /** How it was ended here, although its shim says nothing of it. */
  readonly givenUp: Promise<ExitStatus>;
  state: ContainerState;
  /** Another living host program owns it: watched and signalled here, cleaned up there. */
  foreign = false;
  /** Absent until something durable exists. */
  record?: ContainerRecord;
  folder?: StateFolder;
  handle?: LaunchedContainer;
  /** What it was launched from, if that was here. */
  request?: LaunchRequest;
  /** What isolators tell of it, for its status. */
  told: IsolatorStatus = {};
  /** Settles when its image is leased, or could not be. */
  leasing?: Promise<void>;
  /** Settles when the launch, of a pod's sandbox that of the pod, has come to RUNNING or has been undone. */
  launching?: Promise<void>;
  /** What it is the sandbox of. */
  pod?: PodRecord;
  /** False for a pod's sandbox until all of the pod runs. */
  complete = true;
  /** Why it is ended, if that is not for the caller or the program to say. */
  failure?: GantryError;
  /** For which limit it is ended, if an isolator asked for that. */
  limitation?: Limitation;
  termination?: ContainerTermination;
  /** Whether it is being ended here, which is seen through even if the containerizer is closed. */
  isEnding = false;
  /** Whether the caller, not the program itself, asked for the end. */
  destroyRequested = false;
  /** One change of its limits at a time. */
  readonly updates = new Turns();
  readonly #amendments = new Turns();
  readonly #timings: Record<string, number>;
  readonly #onState: (container: Container, from: ContainerState | undefined) => void;
  readonly #settle: (termination: ContainerTermination) => void;
  readonly #giveUp: (exit: ExitStatus) => void;

  constructor(
    spec: CheckedSpec,
    state: ContainerState,
    onState: (container: Container, from: ContainerState | undefined) => void,
    record?: ContainerRecord,
  ) {
    this.spec = spec;
    this.state = state;
    this.createdAt = record?.createdAt ?? Date.now();
    this.record = record;
    this.limitation = record?.limitation;
    this.pod = record?.pod;
    this.#timings = { ...record?.timings };
    this.#onState = onState;
    let settle: (termination: ContainerTermination) => void = () => undefined;
    this.terminated = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settle = settle;
    let giveUp: (exit: ExitStatus) => void = () => undefined;
    this.givenUp = new Promise((resolve) => {
      giveUp = resolve;
    });
    this.#giveUp = giveUp;
    onState(this, undefined);
  }

  /** One that had ended before this containerizer came to know of it: its listeners are not told again. */
  static ended(record: ContainerRecord, folder: StateFolder, termination: ContainerTermination): Container {
    const container = new Container(record.spec, 'DESTROYING', () => undefined, record);
    container.folder = folder;
    container.end(termination);
    return container;
  }

  get id(): string {
    return this.spec.id;
  }

  get failedSteps(): readonly CleanupStep[] {
    return this.record?.failedSteps ?? [];
  }

  /** Writes a change of its record, after those that were asked for before: none takes back what another says. */
  amend(change: Partial<ContainerRecord>): Promise<void> {
    return this.#amendments.run(async () => {
      const { record, folder } = this;
      if (!record || !folder) throw new GantryError('CORRUPT_STATE', `container ${this.id}: it has no record`);
      const changed = { ...record, ...change };
      await folder.writeRecord(changed);
      this.record = changed;
    });
  }

  /** Moves to the next state of the table and tells the containerizer's listeners. */
  enter(state: ContainerState): void {
    checkTransition(this.state, state);
    const from = this.state;
    this.state = state;
    this.#onState(this, from);
  }

  /** Ends the container's life: `wait` settles. */
  end(termination: ContainerTermination): void {
    this.termination = termination;
    this.enter('DESTROYED');
    this.#settle(termination);
  }

  /** No longer waits for its shim to tell the end of its first process, which is gone. */
  giveUp(exit: ExitStatus): void {
    this.#giveUp(exit);
  }

  /** Runs one step of the launch, keeping how long it took. */
  async timed<T>(step: string, run: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await run();
    } finally {
      const duration = performance.now() - start;
      this.#timings[step] = (this.#timings[step] ?? 0) + duration;
      tellStep({ id: this.id, step, start, duration });
    }
  }

  get timings(): Readonly<Record<string, number>> {
    return { ...this.#timings };
  }

  status(): ContainerStatus {
    const { record, handle } = this;
    return {
      id: this.id,
      state: this.state,
      labels: this.spec.labels ?? {},
      ...(record?.image ? { image: record.image } : {}),
      ...(this.spec.parent === undefined ? {} : { parent: this.spec.parent }),
      ...(handle && this.state !== 'DESTROYED' ? { pid: handle.process.pid, shimPid: handle.shimPid } : {}),
      ...(this.state === 'DESTROYED' ? {} : this.told),
      createdAt: this.createdAt,
      ...(record?.startedAt === undefined ? {} : { startedAt: record.startedAt }),
      stopSignal: signalName(record?.stopSignal ?? 15),
      timings: this.timings,
      ...(this.termination ? { termination: this.termination } : {}),
      failedSteps: this.failedSteps,
    };
  }

  /** Whether there are processes of it. */
  get isAlive(): boolean {
    return this.state === 'RUNNING' || this.state === 'PAUSED';
  }

  /** The connection to the running container's shim; `WRONG_STATE` if it does not run. */
  running(what: string): LaunchedContainer {
    if (this.state === 'RUNNING' && this.handle) return this.handle;
    throw this.#wrongState(what, 'RUNNING');
  }

  /** As `running`, for what can be done with a PAUSED one, too. */
  alive(what: string): LaunchedContainer {
    if (this.isAlive && this.handle) return this.handle;
    throw this.#wrongState(what, 'RUNNING or PAUSED');
  }

  #wrongState(what: string, wanted: string): GantryError {
    return new GantryError('WRONG_STATE', `${what} container ${this.id}: it is ${this.state}, not ${wanted}`, {
      details: { id: this.id, state: this.state },
    });
  }
}
