import { createHash } from 'node:crypto';
import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { removeFiles } from '@gantry/archive';
import { type NetworkCniOptions, networkCni, ProcessExec } from '@gantry/cni';
import {
  type CgroupLayout,
  type Containerizer,
  type IdMappings,
  type ImageStore,
  type Isolator,
  type Launcher,
  type Provisioner,
  type RegistryClient,
  type SecretResolver,
  toGantryError,
  type UserIdPool,
} from '@gantry/interface';
import {
  type CdiOptions,
  createIsolators,
  type DiskOptions,
  detectCgroups,
  type NvidiaPlaces,
  orderIsolators,
  ownUsers,
  PersistentVolumes,
  type PluginFolders,
  type PortsOptions,
} from '@gantry/isolators';
import { createHostProcesses, createHostPrograms, createLauncher, createNamespacePins } from '@gantry/launcher';
import { createProvisioner } from '@gantry/provisioner';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { GantryContainerizer } from './gantry-containerizer.js';
import { defaultPlaces } from './host-places.js';
import { ContainerLeases } from './leases.js';
import { groupsObstacle } from './ordinary-cgroups.js';
import { createOwner } from './owner.js';
import { StateRoot } from './state-folder.js';
import { PodVolumes } from './volumes.js';

export interface ContainerizerOptions {
  /** Images, unpacked layers and writable layers; may be that of other state roots too. Default `/var/lib/gantry`; of an ordinary user `$XDG_DATA_HOME/gantry`. */
  readonly root?: string;
  /** Records, sockets, exit records and logs of containers; may be a tmpfs. Default `/run/gantry`; of an ordinary user `$XDG_RUNTIME_DIR/gantry`. */
  readonly stateRoot?: string;
  /**
   * Control group below which every container gets its own. Default `/gantry`, with a suffix for another `stateRoot`. An ordinary
   * user has none unless one is given that he can write to.
   */
  readonly cgroupParent?: string;
  /**
   * Ids of the user namespaces of `private` users, for a host program that is root: the same for all, or a pool of which each container
   * has a range of its own while it is there. Default: the same for all, of the ranges that /etc/subuid and /etc/subgid hold for
   * `gantry` or `containers`.
   */
  readonly userIds?: IdMappings | UserIdPool;
  /** Default: a client without logins. */
  readonly registry?: RegistryClient;
  /** Default: a store in `root`. */
  readonly store?: ImageStore;
  /** Default: overlay root file systems in `root`, in a folder that no other state root has. */
  readonly provisioner?: Provisioner;
  /** Default: Gantry's own. */
  readonly launcher?: Launcher;
  /** Default: found on this host. */
  readonly cgroups?: CgroupLayout;
  /** Where network configurations and plugins are, and how these are used. */
  readonly networks?: Pick<
    NetworkCniOptions,
    'configFolder' | 'pluginFolders' | 'timeoutMs' | 'exec' | 'collectGarbage' | 'userStack'
  >;
  /** Where Docker's volume plugins are. Default: where Docker looks. */
  readonly dockerPlugins?: PluginFolders;
  /** Who knows the secrets that specs refer to. Default: nobody, and such a spec is refused. */
  readonly secrets?: SecretResolver;
  /** How `limits.disk` is kept. */
  readonly disk?: Omit<DiskOptions, 'stateFolder'>;
  /** How `listenPorts` is kept. */
  readonly ports?: PortsOptions;
  /** Where the specifications of CDI devices are. Default: in /etc/cdi and /var/run/cdi. */
  readonly cdi?: CdiOptions;
  /** Where NVIDIA's driver shows its devices. Default: in /dev and /proc/driver/nvidia. */
  readonly nvidia?: NvidiaPlaces;
  /** Instead of Gantry's own, or made of those: `(own) => [...own, mine]`. Ordered by what each declares. */
  readonly isolators?: readonly Isolator[] | ((own: readonly Isolator[]) => readonly Isolator[]);
}

/**
 * Wires a containerizer from Gantry's parts, or the caller's own. Call `recover()` on it before anything else.
 * An ordinary user's containers have user namespaces: docs/rootless.md. `UNSUPPORTED` without control groups; `SYSTEM` for folders that cannot be made.
 */
export async function createContainerizer(options: ContainerizerOptions = {}): Promise<Containerizer> {
  try {
    return await wire(options);
  } catch (error) {
    throw toGantryError(error, 'setting up the containerizer');
  }
}

async function wire(options: ContainerizerOptions): Promise<Containerizer> {
  const defaults = defaultPlaces();
  const root = options.root ?? defaults.root;
  const stateRoot = options.stateRoot ?? defaults.stateRoot;
  const sandboxRoot = join(root, 'sandbox');
  await Promise.all([
    mkdir(root, { recursive: true, mode: 0o711 }).then(() => mkdir(sandboxRoot, { recursive: true })),
    mkdir(stateRoot, { recursive: true, mode: 0o700 }),
  ]);
  const cgroups = options.cgroups ?? (await detectCgroups());
  const place = await placeOf(stateRoot, defaults.stateRoot);
  const cgroupParent = options.cgroupParent ?? (place === '' ? '/gantry' : `/gantry-${place}`);
  const folders = { root, place: place === '' ? 'default' : place, removeTree: removeFiles };
  const users = ownUsers(options.userIds, join(stateRoot, 'isolators'));
  const obstacle = groupsObstacle(cgroups, options.cgroupParent);
  const state = await StateRoot.open(stateRoot, createOwner());
  const store =
    options.store ??
    createImageStore({ root: join(root, 'store'), registry: options.registry ?? createRegistryClient() });
  const own = () => [
    ...createIsolators({
      cgroups,
      cgroupParent,
      users,
      volumes: folders,
      ...(obstacle ? { withoutCgroups: obstacle } : {}),
      ...volumeOptions(options),
      stateFolder: join(stateRoot, 'isolators'),
      ...(options.disk ? { disk: options.disk } : {}),
      ...(options.ports ? { ports: options.ports } : {}),
      ...(options.cdi ? { cdi: options.cdi } : {}),
      ...(options.nvidia ? { nvidia: options.nvidia } : {}),
    }),
    networkCni({
      exec: new ProcessExec({ programs: createHostPrograms() }),
      ...options.networks,
      isOrdinary: users.isOrdinary,
      sharedFolder: join(root, 'networks', '.shared'),
      stateFolder: join(root, 'networks', folders.place),
      namespaceFolder: join(stateRoot, 'netns'),
      pins: createNamespacePins(),
      processes: createHostProcesses(),
    }),
  ];
  return new GantryContainerizer(
    {
      store,
      leases: new ContainerLeases(store, `container${place === '' ? '' : `-${place}`}`),
      provisioner:
        options.provisioner ?? createProvisioner({ root: join(root, `provisioner${place === '' ? '' : `-${place}`}`) }),
      launcher: options.launcher ?? createLauncher(),
      isolators: orderIsolators(chosen(options.isolators, own)),
      cgroups,
      cgroupParent,
      sandboxRoot,
      volumes: new PodVolumes(join(root, 'volumes', folders.place)),
      persistent: new PersistentVolumes(folders),
    },
    state,
  );
}

/**
 * Tells state roots apart, empty for the default one. Recovery ends what it does not know below its control group, removes
 * the root file systems and releases the leases of containers that it does not know: no two state roots may share them.
 */
async function placeOf(stateRoot: string, defaultStateRoot: string): Promise<string> {
  const path = await realpath(stateRoot);
  return path === defaultStateRoot ? '' : createHash('sha256').update(path).digest('hex').slice(0, 8);
}

function volumeOptions({ secrets, dockerPlugins }: ContainerizerOptions) {
  return { ...(secrets ? { secrets } : {}), ...(dockerPlugins ? { dockerPlugins } : {}) };
}

function chosen(given: ContainerizerOptions['isolators'], own: () => readonly Isolator[]): readonly Isolator[] {
  if (given === undefined) return own();
  return typeof given === 'function' ? given(own()) : given;
}
