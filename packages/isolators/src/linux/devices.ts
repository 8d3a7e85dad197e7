import { stat } from 'node:fs/promises';
import {
  type DeviceRequest,
  errnoOf,
  type HostDeviceRequest,
  type Isolator,
  type OciDevice,
  type OciDeviceRule,
} from '@gantry/interface';
import type { DeviceControl } from '../cgroups/device-control.js';
import { invalidField, refused } from '../errors.js';
import { rootUsers, type UserPolicy, usersOf } from '../namespaces/users.js';
import { deviceNumbers } from './device-numbers.js';
import { devicePlace } from './device-place.js';

const name = 'linux/devices';
const all = 'rwm';

/** A device of the host as a container gets it. */
interface GivenDevice {
  readonly node: OciDevice;
  readonly rule: OciDeviceRule;
}

/**
 * `linux/devices`: nodes for those of `spec.devices` that are given by path, with the numbers, mode and owner that they have on the host, and leave to use
 * them. Fewer permissions than all are `REFUSED` where `cgroups/devices` cannot hold the container to them.
 */
export function linuxDevices(options: { readonly control: DeviceControl; readonly users?: UserPolicy }): Isolator {
  const policy = options.users ?? rootUsers();
  return {
    name,
    after: ['cgroups/devices', 'filesystem/*'],
    async edits(context) {
      const { spec } = context;
      const requests = (spec.devices ?? []).flatMap(hostRequest);
      if (requests.length === 0) return {};
      if (usersOf(context, policy)) checkSamePaths(requests);
      const given = await Promise.all(requests.map((request) => givenDevice(request, request.field, options.control)));
      checkPaths(given.map(({ node }) => node.path));
      const devices = given.map(({ node }) => node);
      // Rules are for those who can hold the container to them.
      if (options.control.missing() !== undefined) return { devices };
      return { devices, resources: { devices: given.map(({ rule }) => rule) } };
    },
  };
}

type FieldRequest = HostDeviceRequest & { readonly field: string };

function hostRequest(request: DeviceRequest, index: number): FieldRequest[] {
  return 'path' in request ? [{ ...request, field: `spec.devices[${index}]` }] : [];
}

async function givenDevice(request: HostDeviceRequest, field: string, control: DeviceControl): Promise<GivenDevice> {
  const access = request.permissions ?? all;
  const missing = control.missing();
  if (missing !== undefined && [...all].some((letter) => !access.includes(letter))) {
    throw refused(name, `${field}: nothing would hold the container to '${access}'`, missing);
  }
  const { type, major, minor, mode, uid, gid } = await hostDevice(request.path, field);
  const path = devicePlace(name, request.containerPath ?? request.path, field);
  return {
    node: { type, path, major, minor, fileMode: mode, uid, gid },
    rule: { allow: true, type, major, minor, access },
  };
}

/** The host's own nodes are bound in a user namespace, which is done by their paths. */
function checkSamePaths(requests: readonly HostDeviceRequest[]): void {
  const moved = requests.find(({ path, containerPath }) => containerPath !== undefined && containerPath !== path);
  if (!moved) return;
  throw refused(
    name,
    `in a user namespace the device ${moved.path} cannot be had at ${moved.containerPath}`,
    'leave containerPath out',
    { details: { path: moved.path } },
  );
}

async function hostDevice(path: string, field: string) {
  try {
    const stats = await stat(path);
    const type = stats.isCharacterDevice() ? 'c' : stats.isBlockDevice() ? 'b' : undefined;
    if (type === undefined) {
      throw refused(name, `${field}: ${path} is not a device`, 'give the path of a device node', {
        details: { field, path },
      });
    }
    const { rdev, mode, uid, gid } = stats;
    return { type, ...deviceNumbers(rdev), mode: mode & 0o777, uid, gid } as const;
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === undefined) throw cause;
    throw refused(name, `${field}: the device ${path} cannot be had (${errno})`, 'load its driver, or leave it out', {
      cause,
      details: { field, path, errno },
    });
  }
}

function checkPaths(paths: readonly string[]): void {
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice !== undefined) throw invalidField('spec.devices', `${twice} is given twice`);
}
