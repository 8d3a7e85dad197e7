import { existsSync } from 'node:fs';
import type { ContainerUsage, Isolator, OciBlockIo, Resources } from '@gantry/interface';
import { invalidField } from '../errors.js';
import { numberedLimits } from './block-devices.js';
import type { IoLimits, NumberedIoLimits } from './cgroups.js';
import { changeSettings } from './changes.js';
import { controllerIsolator } from './controller-isolator.js';
import { type CgroupIsolatorOptions, groupOf } from './isolator.js';
import { extended } from './optional-controller.js';
import { pressureIn } from './pressure.js';
import { applySettings } from './settings.js';
import { readFiles } from './text-files.js';

const name = 'cgroups/blkio';

/**
 * `cgroups/blkio`, which on v2 is the controller io: a share of busy disks, and limits on the bytes and operations a second of each.
 * On v1 only a container that asks for some has a group for it, and only then is its block I/O measured.
 */
export function cgroupsBlkio(options: CgroupIsolatorOptions): Isolator {
  const { cgroups } = options;
  const { io } = cgroups;
  const present = (path: string) => (file: string) => existsSync(cgroups.file(path, file));
  return controllerIsolator(options, {
    name,
    controller: 'io',
    async resources({ spec }) {
      const limits = await limitsOf(spec.resources);
      return limits && { blockIO: blockIo(limits) };
    },
    async limit(path, { spec }) {
      const limits = await limitsOf(spec.resources);
      if (limits) applySettings(cgroups, path, io.settings(limits, present(path)), name);
    },
    async usage(id): Promise<Pick<ContainerUsage, 'io'>> {
      const path = groupOf(options, id);
      if (!cgroups.holds('io', path)) return {};
      const files = await readFiles(cgroups, path, io.usageFiles);
      const pressure = pressureIn(files, 'io.pressure');
      return files.size === 0 ? {} : { io: { devices: io.usage(files), ...(pressure ? { pressure } : {}) } };
    },
    async update(id, resources, call) {
      const path = groupOf(options, id);
      const limits = (await limitsOf(resources)) ?? { devices: [] };
      const asked = limits.weight !== undefined || limits.devices.length > 0;
      if (!(await extended(options, 'io', id, name, 'resources.io', asked))) return;
      const wanted = io.settings(limits, present(path));
      const taken = new Set(wanted.map(({ file, list }) => `${file} ${list?.key}`));
      const cleared = io.cleared(await readFiles(cgroups, path, io.limitFiles));
      const rest = cleared.filter(({ file, list }) => !taken.has(`${file} ${list?.key}`));
      await changeSettings({ cgroups, id, path, isolator: name }, [...rest, ...wanted], {}, call);
    },
  });
}

/** Undefined if nothing is asked for. */
async function limitsOf(resources: Resources | undefined): Promise<IoLimits | undefined> {
  const { weight, devices = [] } = resources?.io ?? {};
  if (weight === undefined && devices.length === 0) return undefined;
  if (weight !== undefined && !(Number.isInteger(weight) && weight >= 10 && weight <= 1000)) {
    throw invalidField('spec.resources.io.weight', `must be a whole number from 10 to 1000, not ${weight}`);
  }
  return { ...(weight === undefined ? {} : { weight }), devices: await numberedLimits(devices, name) };
}

const ociFields = {
  readBytes: 'throttleReadBpsDevice',
  writeBytes: 'throttleWriteBpsDevice',
  readOperations: 'throttleReadIOPSDevice',
  writeOperations: 'throttleWriteIOPSDevice',
} as const;

function blockIo({ weight, devices }: IoLimits): OciBlockIo {
  const kinds = Object.keys(ociFields) as (keyof typeof ociFields)[];
  return {
    ...(weight === undefined ? {} : { weight }),
    ...Object.fromEntries(
      kinds.map((kind) => [ociFields[kind], throttled(devices, kind)]).filter(([, list]) => list?.length !== 0),
    ),
  };
}

function throttled(devices: readonly NumberedIoLimits[], kind: keyof typeof ociFields) {
  return devices.flatMap((limits) => {
    const [major = 0, minor = 0] = limits.device.split(':').map(Number);
    const rate = limits[kind];
    return rate === undefined ? [] : [{ major, minor, rate }];
  });
}
