import { type CallOptions, type CsiAccessMode, type CsiMount, GantryError } from '@gantry/interface';
import { CsiClient } from './client.js';
import type { CsiDriver } from './options.js';

/** What a driver says it can do. */
export interface DriverAbilities {
  readonly creates: boolean;
  readonly publishes: boolean;
  readonly stages: boolean;
  /** Of this machine, if the controller publishes. */
  readonly nodeId: string;
}

const controllerService = 1;
const createDeleteVolume = 1;
const publishUnpublishVolume = 2;
const stageUnstageVolume = 1;

/** The sockets of a driver. */
export class Driver {
  readonly node: CsiClient;
  readonly controller: CsiClient;

  constructor(
    readonly name: string,
    { node, controller = node }: CsiDriver,
    timeoutMs: number,
  ) {
    this.node = new CsiClient(name, node, timeoutMs);
    this.controller = controller === node ? this.node : new CsiClient(name, controller, timeoutMs);
  }

  close(): void {
    this.node.close();
    if (this.controller !== this.node) this.controller.close();
  }

  /** Asked of it anew each time: the one of before may have been replaced. `UNREACHABLE` for a driver that is not ready. */
  async abilities({ signal }: Pick<CallOptions, 'signal'> = {}): Promise<DriverAbilities> {
    const { ready } = (await this.node.call('Identity', 'Probe', {}, signal)) as { ready?: { value?: boolean } | null };
    if (ready && ready.value === false) {
      throw new GantryError('UNREACHABLE', `volume/csi: the driver ${this.name} is not ready; try again`, {
        details: { isolator: 'volume/csi', driver: this.name },
      });
    }
    const plugin = await this.controller.call('Identity', 'GetPluginCapabilities', {}, signal);
    const services = listOf<{ service?: { type?: number } | null }>(plugin['capabilities']);
    const hasController = services.some(({ service }) => service?.type === controllerService);
    const control = hasController ? await this.#rpcs(this.controller, 'Controller', signal) : [];
    const node = await this.#rpcs(this.node, 'Node', signal);
    const publishes = control.includes(publishUnpublishVolume);
    const info = publishes ? await this.node.call('Node', 'NodeGetInfo', {}, signal) : {};
    return {
      creates: control.includes(createDeleteVolume),
      publishes,
      stages: node.includes(stageUnstageVolume),
      nodeId: typeof info['nodeId'] === 'string' ? info['nodeId'] : '',
    };
  }

  async #rpcs(client: CsiClient, service: 'Controller' | 'Node', signal?: AbortSignal): Promise<number[]> {
    const { capabilities } = await client.call(service, `${service}GetCapabilities`, {}, signal);
    return listOf<{ rpc?: { type?: number } | null }>(capabilities).map(({ rpc }) => rpc?.type ?? 0);
  }
}

const modes: Readonly<Record<CsiAccessMode, number>> = {
  SINGLE_NODE_WRITER: 1,
  SINGLE_NODE_READER_ONLY: 2,
  MULTI_NODE_READER_ONLY: 3,
  MULTI_NODE_SINGLE_WRITER: 4,
  MULTI_NODE_MULTI_WRITER: 5,
};

/** `VolumeCapability` of a mount. */
export function capabilityOf(mount: Pick<CsiMount, 'fsType' | 'mountFlags' | 'accessMode'>): object {
  return {
    mount: { fsType: mount.fsType ?? '', mountFlags: [...(mount.mountFlags ?? [])] },
    accessMode: { mode: modes[mount.accessMode ?? 'SINGLE_NODE_WRITER'] },
  };
}

function listOf<T>(value: unknown): readonly T[] {
  return Array.isArray(value) ? (value as T[]) : [];
}
