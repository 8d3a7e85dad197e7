import { randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type ContainerId,
  type ContainerTermination,
  errnoOf,
  GantryError,
  type LaunchRequest,
} from '@gantry/interface';
import { createFile, type Flush, flushFor, replaceFile, replaceFileUnflushed } from './durable-file.js';
import { firstOwnerFile, isProcessAlive, type Owner } from './owner.js';
import {
  type ContainerRecord,
  type FirstProcess,
  parseProcess,
  parseRecord,
  parseRequest,
  parseTermination,
} from './record.js';
import { checkId } from './spec.js';

const recordFile = 'state.json';
const terminationFile = 'termination.json';
const processFile = 'process.json';
const requestFile = 'request.json';
const completeFile = 'complete';

/** The folder of one container: record, owner, termination, and the shim's socket, exit record and log. */
export class StateFolder {
  constructor(
    readonly path: string,
    readonly id: ContainerId,
    private readonly flush: Flush,
  ) {}

  async readRecord(): Promise<ContainerRecord> {
    const path = join(this.path, recordFile);
    return parseRecord(await readFile(path, 'utf8'), path);
  }

  async writeRecord(record: ContainerRecord): Promise<void> {
    await replaceFile(join(this.path, recordFile), JSON.stringify(record), this.flush);
  }

  /**
   * Writes which process is the container's, and when it was set up. Not flushed to the disk: after a power cut there is no such process.
   */
  writeProcess(process: FirstProcess): void {
    replaceFileUnflushed(join(this.path, processFile), JSON.stringify(process));
  }

  /** Undefined if none was written, or none that can be read: then there is nothing that could be signalled. */
  async readProcess(): Promise<FirstProcess | undefined> {
    try {
      return parseProcess(await readFile(join(this.path, processFile), 'utf8'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Marks a pod as launched: all its containers run. */
  async markComplete(): Promise<void> {
    await createFile(join(this.path, completeFile), '', this.flush);
  }

  /** Whether the pod was launched in full. */
  async isComplete(): Promise<boolean> {
    return isThere(join(this.path, completeFile));
  }

  /** Writes what the container is launched from, for who starts a process in it. Not flushed to the disk: after a power cut nobody asks for it. */
  writeRequest(request: LaunchRequest): void {
    replaceFileUnflushed(join(this.path, requestFile), JSON.stringify(request));
  }

  /** Whether the launch has come so far that what it is made from was written. */
  async hasRequest(): Promise<boolean> {
    return isThere(join(this.path, requestFile));
  }

  /** What the container was launched from. */
  async readRequest(): Promise<LaunchRequest> {
    const path = join(this.path, requestFile);
    return parseRequest(await readFile(path, 'utf8'), path);
  }

  /** Undefined if the container has not ended. */
  async readTermination(): Promise<ContainerTermination | undefined> {
    const path = join(this.path, terminationFile);
    try {
      return parseTermination(await readFile(path, 'utf8'), path);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Writes the termination unless there is one; resolves with the one that counts. */
  async writeTermination(termination: ContainerTermination): Promise<ContainerTermination> {
    const path = join(this.path, terminationFile);
    if (await createFile(path, JSON.stringify(termination), this.flush)) return termination;
    return (await this.readTermination()) ?? termination;
  }
}

/** All container folders of one containerizer root. */
export class StateRoot {
  readonly #folder: string;
  readonly #flush: Flush;

  private constructor(
    readonly path: string,
    readonly owner: Owner,
  ) {
    this.#folder = join(path, 'containers');
    this.#flush = flushFor(this.#folder);
  }

  /** Opens the root at an existing path. */
  static async open(path: string, owner: Owner): Promise<StateRoot> {
    await mkdir(join(path, 'containers'), { recursive: true, mode: 0o700 });
    return new StateRoot(path, owner);
  }

  of(id: ContainerId): StateFolder {
    return new StateFolder(join(this.#folder, id), id, this.#flush);
  }

  /**
   * Makes a container's folder with its first record, in one rename: a folder is never seen without a whole record.
   * `ALREADY_EXISTS` if there is one, from whatever process. `durable` settles when the disk has it too, which has to
   * be awaited before anybody is told that the container runs; what is made meanwhile, recovery finds by its id.
   */
  create(record: ContainerRecord): { readonly folder: StateFolder; readonly durable: Promise<void> } {
    const folder = this.of(record.spec.id);
    const staging = this.#temporaryPath();
    const ownerFile = firstOwnerFile(this.owner);
    mkdirSync(staging, { mode: 0o700 });
    try {
      const options = { flag: 'wx', mode: 0o600 };
      writeFileSync(join(staging, recordFile), JSON.stringify(record), options);
      writeFileSync(join(staging, ownerFile.name), ownerFile.content, options);
      renameSync(staging, folder.path);
    } catch (error) {
      rmSync(staging, { recursive: true, force: true });
      const errno = errnoOf(error);
      if (errno !== 'ENOTEMPTY' && errno !== 'EEXIST') throw error;
      const message = `container ${record.spec.id}: there is one with this id in ${this.path}`;
      throw new GantryError('ALREADY_EXISTS', message, { cause: error, details: { id: record.spec.id } });
    }
    const durable = this.#flushAll([join(folder.path, recordFile), folder.path, this.#folder]);
    // Whoever fails before it is awaited has a failure of his own.
    durable.catch(() => undefined);
    return { folder, durable };
  }

  /** Forgets a container: its folder disappears in one step, so that no half of it can be read. */
  async remove(id: ContainerId): Promise<void> {
    const trash = this.#temporaryPath();
    try {
      await rename(this.of(id).path, trash);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      return;
    }
    await rm(trash, { recursive: true, force: true });
  }

  async has(id: ContainerId): Promise<boolean> {
    try {
      await readdir(this.of(id).path);
      return true;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
  }

  /** Ids of all containers that have a folder, in no order. */
  async ids(): Promise<ContainerId[]> {
    const names = await readdir(this.#folder);
    return names.filter((name) => {
      try {
        checkId(name);
        return true;
      } catch {
        return false; // Staging and trash of a process that died, or a stranger's file: not a container.
      }
    });
  }

  /** Removes staging and trash folders of processes that are gone. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#folder)) {
      const [, pid, startTime] = temporaryName.exec(name) ?? [];
      if (pid === undefined || isProcessAlive(Number(pid), Number(startTime))) continue;
      await rm(join(this.#folder, name), { recursive: true, force: true });
    }
  }

  async #flushAll(paths: readonly string[]): Promise<void> {
    await Promise.all(paths.map((path) => this.#flush(path)));
  }

  #temporaryPath(): string {
    return join(this.#folder, `.${this.owner.pid}.${this.owner.startTime}.${randomUUID()}`);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

const temporaryName = /^\.(\d+)\.(\d+)\.[\da-f-]+$/;
