import type { OciDeviceRule } from '@gantry/interface';
import { refused } from '../errors.js';

/** Devices of one kind, or with numbers left out all of it, and what may be done with them: of `rwm`, in that order. */
export interface DeviceAllowance {
  readonly type: 'a' | 'c' | 'b';
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
}

const all = 'rwm';

/**
 * What every container may do: make any node, which alone opens nothing, and use the standard devices and the terminals of
 * its own devpts. All else is denied.
 */
export const standardDeviceRules: readonly OciDeviceRule[] = [
  { allow: false, access: all },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...[3, 5, 7, 8, 9].map((minor) => allowed(1, minor)),
  allowed(5, 0),
  allowed(5, 2),
  allowed(136),
];

function allowed(major: number, minor?: number): OciDeviceRule {
  return { allow: true, type: 'c', major, ...(minor === undefined ? {} : { minor }), access: all };
}

/**
 * Rules, of which the last that matches decides, as a list of what is allowed when all else is denied: this is what both
 * versions can hold. `REFUSED` if it would take exceptions from what is allowed, or if not all is denied first.
 */
export function allowedDevices(rules: readonly OciDeviceRule[], isolator: string): DeviceAllowance[] {
  let held: DeviceAllowance[] = [{ type: 'a', access: all }];
  for (const rule of rules) {
    const item = allowanceOf(rule);
    held = rule.allow ? withAllowance(held, item) : without(held, item, isolator);
  }
  return held;
}

/** As the kernel writes it in `devices.list`, and reads it: `c 1:3 rwm`. */
export function deviceLine({ type, major, minor, access }: DeviceAllowance): string {
  return `${type} ${major ?? '*'}:${minor ?? '*'} ${access}`;
}

function allowanceOf({ type = 'a', major, minor, access = all }: OciDeviceRule): DeviceAllowance {
  const sorted = [...all].filter((letter) => access.includes(letter)).join('');
  // The kernel has no numbers for `a`: it stands for everything.
  const numbers = type === 'a' ? {} : { ...number('major', major), ...number('minor', minor) };
  return { type, ...numbers, access: type === 'a' ? all : sorted };
}

/** OCI writes -1 for any. */
function number<K extends string>(key: K, value: number | undefined): { [P in K]?: number } {
  return value === undefined || value < 0 ? {} : ({ [key]: value } as { [P in K]?: number });
}

function withAllowance(held: readonly DeviceAllowance[], item: DeviceAllowance): DeviceAllowance[] {
  if (item.type === 'a') return [item];
  if (held.some((other) => covers(other, item))) return [...held];
  const same = held.find((other) => sameDevices(other, item));
  const merged = same ? { ...item, access: union(same.access, item.access) } : item;
  return same ? held.map((other) => (other === same ? merged : other)) : [...held, merged];
}

function without(held: readonly DeviceAllowance[], item: DeviceAllowance, isolator: string): DeviceAllowance[] {
  return held.flatMap((other) => {
    if (!overlap(other, item)) return [other];
    const left = [...other.access].filter((letter) => !item.access.includes(letter)).join('');
    if (!coversDevices(item, other)) {
      throw refused(
        isolator,
        `'${deviceLine(other)}' cannot be allowed without '${deviceLine(item)}', a part of it`,
        'deny all first, then allow just what is wanted',
      );
    }
    return left === '' ? [] : [{ ...other, access: left }];
  });
}

function covers(a: DeviceAllowance, b: DeviceAllowance): boolean {
  return coversDevices(a, b) && [...b.access].every((letter) => a.access.includes(letter));
}

function coversDevices(a: DeviceAllowance, b: DeviceAllowance): boolean {
  if (a.type === 'a') return true;
  return a.type === b.type && [undefined, b.major].includes(a.major) && [undefined, b.minor].includes(a.minor);
}

function sameDevices(a: DeviceAllowance, b: DeviceAllowance): boolean {
  return a.type === b.type && a.major === b.major && a.minor === b.minor;
}

/** Whether there is a device, and something done with it, of which both speak. */
function overlap(a: DeviceAllowance, b: DeviceAllowance): boolean {
  const types = a.type === 'a' || b.type === 'a' || a.type === b.type;
  const agree = (x: number | undefined, y: number | undefined) => x === undefined || y === undefined || x === y;
  const shared = [...a.access].some((letter) => b.access.includes(letter));
  return types && shared && agree(a.major, b.major) && agree(a.minor, b.minor);
}

function union(a: string, b: string): string {
  return [...all].filter((letter) => a.includes(letter) || b.includes(letter)).join('');
}
