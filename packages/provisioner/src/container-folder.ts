import { join } from 'node:path';
import { GantryError } from '@gantry/interface';

const idGrammar = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** Where the parts of a provisioner's folder are. */
export interface ProvisionerFolders {
  readonly root: string;
  readonly containers: string;
  /** What is being removed. */
  readonly trash: string;
  /** Stands for the layers of an image that has none: an overlay mount needs one. */
  readonly empty: string;
}

/** What is made for one container. */
export interface ContainerFolder {
  readonly folder: string;
  /** The overlay backend's, as is `work`. */
  readonly upper: string;
  readonly work: string;
  /** The copy backend's. */
  readonly copy: string;
  readonly rootfs: string;
}

export function provisionerFolders(root: string): ProvisionerFolders {
  return { root, containers: join(root, 'containers'), trash: join(root, 'trash'), empty: join(root, 'empty') };
}

/** `INVALID_ARGUMENT` for an id that could not be a file name. */
export function containerFolder({ containers }: ProvisionerFolders, id: string): ContainerFolder {
  if (!isContainerId(id)) {
    const shown = JSON.stringify(String(id).slice(0, 80));
    throw new GantryError(
      'INVALID_ARGUMENT',
      `container id ${shown}: want 1 to 64 letters, digits, '_', '.' and '-', the first a letter or digit`,
      { details: { field: 'id' } },
    );
  }
  const folder = join(containers, id);
  return {
    folder,
    upper: join(folder, 'upper'),
    work: join(folder, 'work'),
    copy: join(folder, 'copy'),
    rootfs: join(folder, 'rootfs'),
  };
}

export function isContainerId(text: unknown): text is string {
  return typeof text === 'string' && idGrammar.test(text);
}
