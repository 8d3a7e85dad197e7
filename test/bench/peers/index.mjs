import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isOnPath } from '../../../scripts/lib/prerequisites.mjs';
import { removeGroup, removeGroups } from '../../support/control-groups.mjs';
import { eventually } from '../../support/eventually.mjs';
import { compile } from '../compile.mjs';
import { ControlGroup } from '../pull/control-group.mjs';
import { Sandbox, sandboxPath } from '../pull/sandbox.mjs';
import { containerd } from './containerd.mjs';
import { docker } from './docker.mjs';
import { podman } from './podman.mjs';

/** They take a hundred times as long. */
const every = 5;

/** A peer that runs here. */
export class RunningPeer {
  /** @type {import('./peer.mjs').StartedPeer} */
  #started;
  #group;
  #cgroup;

  /**
   * @param {string} name
   * @param {import('./peer.mjs').StartedPeer} started
   * @param {ControlGroup} group All of the peer's processes but its containers'.
   * @param {string} cgroup The containers'.
   */
  constructor(name, started, group, cgroup) {
    this.name = name;
    this.#started = started;
    this.#group = group;
    this.#cgroup = cgroup;
  }

  /** @returns {import('../contender.mjs').Contender} */
  get launch() {
    return this.#contender(this.#started.launch);
  }

  /** @returns {import('../contender.mjs').Contender} */
  get exec() {
    return this.#contender(this.#started.exec);
  }

  /** MiB a second; undefined if that is not measured. */
  async echo() {
    return this.#started.echo?.();
  }

  async close() {
    await this.#started.close();
    await removePlace(this.#group, this.#cgroup);
  }

  /** @param {() => Promise<number>} run @returns {import('../contender.mjs').Contender} */
  #contender(run) {
    return {
      every,
      run: async () => {
        const before = await processesIn(this.#group);
        const milliseconds = await run();
        await this.#settle(before);
        return new Map([[this.name, milliseconds]]);
      },
      close: async () => undefined,
    };
  }

  /** Waits until what cleans up after a run is done, so that it does not run beside another contender. @param {ReadonlySet<string>} before */
  async #settle(before) {
    const isNew = (/** @type {string} */ pid) => !before.has(pid);
    const left = await eventually(
      async () => [...(await processesIn(this.#group))].filter(isNew),
      ({ length }) => length === 0,
    );
    if (left.length > 0) throw new Error(`${this.name}: the processes ${left} do not end`);
  }
}

/**
 * Starts all that are installed, and says which are not.
 * @param {{ folder: string, archive: string, reference: string }} options The image as a docker archive, and its name in there.
 * @returns {Promise<RunningPeer[]>}
 */
export async function startPeers({ folder, archive, reference }) {
  const timeExec = await compile('time-exec', folder);
  const running = [];
  for (const { name, commands, start } of [docker, containerd, podman]) {
    const missing = commands.filter((command) => !isOnPath(command, sandboxPath));
    if (missing.length > 0) {
      console.log(`${name} is left out: no ${missing.join(', ')} here`);
      continue;
    }
    const own = join(folder, name);
    await mkdir(own);
    const group = await ControlGroup.make();
    const cgroup = `gantry-bench-${process.pid}-${name}`;
    const failing = new AbortController();
    const sandbox = new Sandbox({ group, env: { TMPDIR: own }, signal: failing.signal });
    try {
      const place = { folder: own, archive, reference, cgroup: `/${cgroup}`, timeExec, sandbox };
      running.push(new RunningPeer(name, await start(place), group, cgroup));
    } catch (error) {
      failing.abort(error);
      await removePlace(group, cgroup);
      console.log(`${name} is left out, since it does not run here: ${error instanceof Error ? error.message : error}`);
    }
  }
  return running;
}

/** @param {ControlGroup} group */
async function processesIn(group) {
  return new Set((await readFile(join(group.path, 'cgroup.procs'), 'utf8')).trim().split('\n'));
}

/** @param {ControlGroup} group @param {string} cgroup */
async function removePlace(group, cgroup) {
  await removeGroups(cgroup);
  await removeGroup(group.path);
}
