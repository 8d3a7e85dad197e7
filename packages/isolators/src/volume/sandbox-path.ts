import { type Isolator, type PrepareContext, toGantryError } from '@gantry/interface';
import { ContainerFolders, type VolumeFolders } from './container-folders.js';
import { identityInside, makeInside } from './inside.js';
import { folderMount, mountsOf } from './mounts.js';
import { type SandboxSource, sandboxSource } from './sandbox-source.js';

const name = 'volume/sandbox_path';

/**
 * `volume/sandbox_path`: folders that a container and those nested in it share. A container's sandbox is a folder of the
 * host's that everybody in it may write to; links in it lead nowhere outside.
 */
export function volumeSandboxPath(options: VolumeFolders & { readonly persistent: (id: string) => string }): Isolator {
  const sandboxes = new ContainerFolders(options, 'sandboxes');
  const places = { sandbox: (id: string) => sandboxes.path(id), persistent: options.persistent };
  const sources = (context: PrepareContext) =>
    mountsOf(context.spec, 'sandbox').map((mount) => sandboxSource(name, mount, context, places));
  return {
    name,
    serves: ['mounts.sandbox'],
    after: ['filesystem/*'],
    async edits(context) {
      const found = sources(context);
      if (found.length === 0) return {};
      const mounts = found.map(({ path, destination, readonly, attributes }) => {
        const mount = folderMount(path, destination, readonly);
        return { ...mount, options: [...(mount.options ?? []), ...attributes] };
      });
      return { mounts };
    },
    prepares: ({ spec }) => (spec.mounts ? 'anything' : 'nothing'),
    async prepare(context) {
      for (const source of sources(context)) {
        if (source.container !== undefined) await makeFolders(sandboxes, source.container, source);
      }
    },
    async pins(context) {
      return Object.fromEntries(
        sources(context).map((source) => [source.destination, identityInside(name, source)] as const),
      );
    },
    cleanup: (id) => sandboxes.remove(id),
    list: () => sandboxes.list(),
  };
}

async function makeFolders(sandboxes: ContainerFolders, container: string, source: SandboxSource): Promise<void> {
  try {
    await sandboxes.make(container, 0o700);
    makeInside(source);
  } catch (error) {
    throw toGantryError(error, `${name}: making ${source.inside} in the sandbox of container ${container}`);
  }
}
