import type { CallOptions } from '@gantry/interface';
import type { Cgroups, Controller } from './cgroups.js';

/** The controllers of files whose names do not begin with theirs. */
const controllerOfPrefix: ReadonlyMap<string, Controller> = new Map([
  ['cpuacct', 'cpu'],
  ['blkio', 'io'],
]);

/**
 * v1 hierarchies and a v2 tree on one host: each controller where it is. Processes are counted, frozen and signalled in `main`; those
 * containers that ask for one of the others are in a group of `other` besides.
 */
export class HybridCgroups implements Cgroups {
  readonly version: 'v1' | 'v2';
  readonly cpu: Cgroups['cpu'];
  readonly memory: Cgroups['memory'];
  readonly io: Cgroups['io'];
  readonly hugetlb: Cgroups['hugetlb'];
  readonly devices: Cgroups['devices'];
  readonly #main: Cgroups;
  readonly #other: Cgroups;
  readonly #elsewhere: ReadonlySet<Controller>;

  constructor(main: Cgroups, other: Cgroups, elsewhere: ReadonlySet<Controller>) {
    this.#main = main;
    this.#other = other;
    this.#elsewhere = elsewhere;
    this.version = main.version;
    this.cpu = this.#of('cpu').cpu;
    this.memory = this.#of('memory').memory;
    this.io = this.#of('io').io;
    this.hugetlb = this.#of('hugetlb').hugetlb;
    this.devices = this.#of('devices').devices;
  }

  versionOf(controller: Controller): 'v1' | 'v2' {
    return this.#of(controller).version;
  }

  folders(controller: Controller, path: string, isolator: string): string[] {
    return this.#of(controller).folders(controller, path, isolator);
  }

  existing(controller: Controller, path: string): string[] {
    return this.#of(controller).existing(controller, path);
  }

  holds(controller: Controller, path: string): boolean {
    return this.#of(controller).holds(controller, path);
  }

  file(path: string, name: string): string {
    const prefix = name.slice(0, name.indexOf('.'));
    return this.#of(controllerOfPrefix.get(prefix) ?? (prefix as Controller)).file(path, name);
  }

  create(controller: Controller, path: string, isolator: string): Promise<void> {
    return this.#of(controller).create(controller, path, isolator);
  }

  making(controller: Controller, path: string, isolator: string) {
    return this.#of(controller).making(controller, path, isolator);
  }

  /** A process cannot be had in a group of another tree later, any more than on v1. */
  async extend(controller: Controller, path: string, isolator: string): Promise<boolean> {
    return this.#elsewhere.has(controller) ? false : this.#main.extend(controller, path, isolator);
  }

  remove(controller: Controller, path: string): Promise<void> {
    return this.#of(controller).remove(controller, path);
  }

  removeParent(controller: Controller, parent: string): Promise<void> {
    return this.#of(controller).removeParent(controller, parent);
  }

  freeze(path: string, frozen: boolean, isolator: string, options?: Pick<CallOptions, 'signal'>): Promise<boolean> {
    return this.#main.freeze(path, frozen, isolator, options);
  }

  signal(path: string, signal: number): Promise<boolean> {
    return this.#main.signal(path, signal);
  }

  list(controller: Controller, parent: string): AsyncIterable<string> {
    return this.#of(controller).list(controller, parent);
  }

  #of(controller: Controller): Cgroups {
    return this.#elsewhere.has(controller) ? this.#other : this.#main;
  }
}
