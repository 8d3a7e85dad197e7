import { existsSync } from 'node:fs';
import { mkdir, readFile, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

const version1 = '/sys/fs/cgroup/cpuacct';
const version2 = '/sys/fs/cgroup';

let made = 0;

/** A control group that counts the processor time of all that was ever started in it. */
export class ControlGroup {
  #isVersion1;

  /** @param {string} path */
  constructor(path) {
    this.path = path;
    this.#isVersion1 = path.startsWith(version1);
  }

  static async make() {
    const tree = existsSync(join(version1, 'cpuacct.usage')) ? version1 : version2;
    const path = join(tree, `gantry-bench-${process.pid}-${made}`);
    made += 1;
    await mkdir(path);
    return new ControlGroup(path);
  }

  /** Seconds of user and system time so far. */
  async cpuSeconds() {
    const text = await readFile(join(this.path, this.#isVersion1 ? 'cpuacct.usage' : 'cpu.stat'), 'utf8');
    if (this.#isVersion1) return Number(text) / 1e9;
    return Number(/^usage_usec (\d+)$/m.exec(text)?.[1]) / 1e6;
  }

  /** To be called when no process is left in it. */
  async remove() {
    await rmdir(this.path);
  }
}
