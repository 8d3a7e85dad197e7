import { randomBytes } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ContainerId, type ContainerTermination, errnoOf, GantryError } from '@gantry/interface';
import { createFile, replaceFile, syncFolder, writeSynced } from './durable-file.js';
import { firstOwnerFile, isProcessAlive, type Owner } from './owner.js';
import { type ContainerRecord, parseRecord, parseTermination } from './record.js';
import { checkId } from './spec.js';

const recordFile = 'state.json';
const terminationFile = 'termination.json';

/** The folder of one container: record, owner, termination, and the shim's socket, exit record and log. */
export class StateFolder {
  constructor(
    readonly path: string,
    readonly id: ContainerId,
  ) {}

  async readRecord(): Promise<ContainerRecord> {
    const path = join(this.path, recordFile);
    return parseRecord(await readFile(path, 'utf8'), path);
  }

  async writeRecord(record: ContainerRecord): Promise<void> {
    await replaceFile(join(this.path, recordFile), JSON.stringify(record));
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
    if (await createFile(join(this.path, terminationFile), JSON.stringify(termination))) return termination;
    return (await this.readTermination()) ?? termination;
  }
}

/** All container folders of one containerizer root. */
export class StateRoot {
  readonly #folder: string;

  constructor(
    readonly path: string,
    readonly owner: Owner,
  ) {
    this.#folder = join(path, 'containers');
  }

  of(id: ContainerId): StateFolder {
    return new StateFolder(join(this.#folder, id), id);
  }

  async open(): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
  }

  /**
   * Makes a container's folder with its first record, in one rename: a folder is never seen without a whole record.
   * `ALREADY_EXISTS` if there is one, from whatever process.
   */
  async create(record: ContainerRecord): Promise<StateFolder> {
    const folder = this.of(record.spec.id);
    const staging = this.#temporaryPath();
    const ownerFile = firstOwnerFile(this.owner);
    mkdirSync(staging, { mode: 0o700 });
    try {
      await Promise.all([
        writeSynced(join(staging, recordFile), JSON.stringify(record)),
        writeSynced(join(staging, ownerFile.name), ownerFile.content),
      ]);
      renameSync(staging, folder.path);
    } catch (error) {
      rmSync(staging, { recursive: true, force: true });
      const errno = errnoOf(error);
      if (errno !== 'ENOTEMPTY' && errno !== 'EEXIST') throw error;
      throw new GantryError(
        'ALREADY_EXISTS',
        `container ${record.spec.id}: there is one with this id in ${this.path}`,
        {
          cause: error,
          details: { id: record.spec.id },
        },
      );
    }
    await syncFolder(this.#folder);
    return folder;
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

  #temporaryPath(): string {
    return join(this.#folder, `.${this.owner.pid}.${this.owner.startTime}.${randomBytes(8).toString('hex')}`);
  }
}

const temporaryName = /^\.(\d+)\.(\d+)\.[0-9a-f]{16}$/;
