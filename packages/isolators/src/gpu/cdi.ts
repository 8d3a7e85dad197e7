import type { DeviceRequest, Isolator, IsolatorEdits, PrepareContext } from '@gantry/interface';
import type { DeviceControl } from '../cgroups/device-control.js';
import { resolveUser } from '../docker/user.js';
import { invalidField, refused } from '../errors.js';
import { ownIdMapper, rootUsers, type UserPolicy, usersOf } from '../namespaces/users.js';
import { cdiEdits } from './cdi-edits.js';
import { type CdiOptions, cdiReader } from './cdi-files.js';
import { parseCdiName } from './cdi-names.js';
import { type CdiSources, editsOf, type FoundDevice, resolveDevice } from './cdi-registry.js';
import { lookAtHost } from './host-nodes.js';

const name = 'gpu/cdi';

/** What isolators that give CDI devices need to know of the host. */
export interface CdiSetting {
  readonly control: DeviceControl;
  readonly users?: UserPolicy;
}

/**
 * `gpu/cdi`: gives containers the devices that they ask for by their CDI names, with all that the specifications say goes with them.
 * The files are looked at for each launch. Nothing is kept of who has what: any number of containers may have a device.
 */
export function gpuCdi(options: CdiOptions & CdiSetting): Isolator {
  const read = cdiReader(options);
  return {
    name,
    after: ['cgroups/devices', 'filesystem/*'],
    serves: ['devices.cdi'],
    async edits(context) {
      const wanted = (context.spec.devices ?? []).flatMap(cdiRequest);
      if (wanted.length === 0) return {};
      const sources = await read();
      const devices = wanted.map((each) => foundDevice(name, sources, each));
      return editsOfDevices(name, context, devices, options);
    },
  };
}

interface WantedDevice {
  readonly device: string;
  readonly field: string;
}

function cdiRequest(request: DeviceRequest, index: number, all: readonly DeviceRequest[]): WantedDevice[] {
  if (!('cdi' in request)) return [];
  const field = `spec.devices[${index}].cdi`;
  if (!parseCdiName(request.cdi)) throw invalidField(field, `'${request.cdi}' is no vendor.com/class=name`);
  if (all.findIndex((each) => 'cdi' in each && each.cdi === request.cdi) !== index) {
    throw invalidField(field, `${request.cdi} is given twice`);
  }
  return [{ device: request.cdi, field }];
}

/** The device of a name. `REFUSED` if there is none, or several that contradict each other. */
export function foundDevice(isolator: string, sources: CdiSources, { device, field }: WantedDevice): FoundDevice {
  const resolved = resolveDevice(sources, device);
  if (resolved.type === 'device') return resolved.device;
  if (resolved.type === 'conflict') {
    const { files } = resolved;
    throw refused(
      isolator,
      `${field}: ${device} is described by ${files.join(' and ')}`,
      'remove all but one of them',
      {
        details: { field, device, files },
      },
    );
  }
  const [cause] = sources.faults;
  const faults = sources.faults.map(({ message }) => message);
  const unread = faults.length > 0 ? `, but what could not be read may: ${faults.join('; ')}` : '';
  throw refused(
    isolator,
    `${field}: no specification has ${device}${unread}`,
    "have the device's vendor's tool write one",
    {
      ...(cause ? { cause } : {}),
      details: { field, device },
    },
  );
}

/** What devices have the container of a context get. */
export async function editsOfDevices(
  isolator: string,
  context: PrepareContext,
  devices: readonly FoundDevice[],
  { control, users = rootUsers() }: CdiSetting,
): Promise<IsolatorEdits> {
  const all = editsOf(devices);
  const [host, user] = await Promise.all([lookAtHost(all), resolveUser(context)]);
  const ownUsers = usersOf(context, users) !== undefined;
  const unguarded = control.missing();
  const edits = cdiEdits(all, {
    isolator,
    host,
    user,
    ownUsers,
    hidesRoot: ownUsers && ownIdMapper() === 'root',
    fixedGroups: ownUsers && ownIdMapper() === 'self',
    ...(unguarded === undefined ? {} : { unguarded }),
  });
  const secret = Object.keys(context.spec.secretEnv ?? {}).find((name) => Object.hasOwn(edits.env ?? {}, name));
  if (secret === undefined) return edits;
  throw refused(isolator, `spec.secretEnv.${secret}: the devices set it, too`, 'leave it out', {
    details: { field: `spec.secretEnv.${secret}` },
  });
}
