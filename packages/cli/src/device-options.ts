import type { DeviceRequest, Resources } from '@gantry/interface';
import { InvalidArgumentError } from 'commander';

/** `/dev/fuse`, `/dev/fuse:/dev/inside`, `/dev/fuse:/dev/inside:rw` or `/dev/fuse:rw`; else the name of a CDI device: `vendor.com/class=name`. */
export function parseDevice(text: string): DeviceRequest {
  if (!text.startsWith('/')) {
    if (/^[^/:]+\/[^/:=]+=.+$/.test(text)) return { cdi: text };
    throw notADevice(text);
  }
  const [path = '', ...rest] = text.split(':');
  const permissions = /^[rwm]{1,3}$/.test(rest.at(-1) ?? '') ? rest.pop() : undefined;
  const [containerPath] = rest;
  if (rest.length > 1 || (containerPath !== undefined && !containerPath.startsWith('/'))) throw notADevice(text);
  return {
    path,
    ...(containerPath === undefined ? {} : { containerPath }),
    ...(permissions === undefined ? {} : { permissions }),
  };
}

/** `2`: so many whole GPUs. `device=0,GPU-…`: those of these names, or parts of them. */
export function parseGpus(text: string): NonNullable<Resources['gpus']> {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  const names = /^device=(.+)$/.exec(text)?.[1]?.split(',') ?? [];
  if (names.length === 0 || names.includes('')) {
    throw new InvalidArgumentError(`give a number of GPUs, or their names as device=0,1.`);
  }
  return names;
}

function notADevice(text: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `'${text}' is not a device: give /dev/node[:/dev/inside][:rwm], or vendor.com/class=name as CDI has it.`,
  );
}
