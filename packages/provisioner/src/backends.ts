import { isOrdinary } from '@gantry/archive';
import type { BackendAbility, BackendName } from '@gantry/interface';
import type { Backend } from './backend.js';
import { BindBackend } from './bind-backend.js';
import { CopyBackend } from './copy-backend.js';
import { runInNamespace } from './namespace-job.js';
import { maxOverlayLayers, OverlayBackend } from './overlay-backend.js';
import { withTrialFolder } from './trial-folder.js';
import { trials } from './trials.js';

/** Which backend a provisioner uses. `auto`: overlay where it works and for images that it can stack, else copy. */
export type BackendChoice = BackendName | 'auto';

/** The backends on one folder, each tried there at most once. */
export class Backends {
  readonly #root: string;
  readonly #choice: BackendChoice;
  readonly #userxattr: boolean;
  readonly #backends: Readonly<Record<BackendName, Backend>>;
  readonly #abilities = new Map<BackendName, Promise<BackendAbility>>();

  constructor(root: string, choice: BackendChoice, userxattr: boolean) {
    this.#root = root;
    this.#choice = choice;
    this.#userxattr = userxattr;
    this.#backends = {
      overlay: new OverlayBackend(userxattr),
      copy: new CopyBackend(userxattr),
      bind: new BindBackend(),
    };
  }

  /** True if no container is to write to its root. */
  get readonly(): boolean {
    return this.#choice === 'bind';
  }

  /** The backend for an image. One that was asked for by name is not tried first: its own errors are more to the point. */
  async for(layers: readonly string[]): Promise<Backend> {
    if (this.#choice !== 'auto') return this.#backends[this.#choice];
    const isOverlay = layers.length <= maxOverlayLayers && (await this.ability('overlay')).works;
    return this.#backends[isOverlay ? 'overlay' : 'copy'];
  }

  /** What a trial came to. One that failed for want of memory or the like is not kept. */
  ability(name: BackendName): Promise<BackendAbility> {
    const known = this.#abilities.get(name);
    if (known) return known;
    const ability = withTrialFolder(this.#root, (folder) => this.#try(name, folder));
    this.#abilities.set(name, ability);
    ability.catch(() => this.#abilities.delete(name));
    return ability;
  }

  async #try(name: BackendName, folder: string): Promise<BackendAbility> {
    if (!isOrdinary()) return trials[name](folder, this.#userxattr);
    const told = await runInNamespace({ type: 'trial', backend: name, folder }, `trial of the ${name} backend`);
    if (told.type !== 'ability') throw new Error(`trial of the ${name} backend: no answer`);
    return told.ability;
  }
}
