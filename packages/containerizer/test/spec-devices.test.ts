import { describe, expect, it } from 'vitest';
import { checkSpec } from '../src/spec.js';
import { refuseUnserved } from '../src/unserved.js';

const spec = (devices: unknown) => ({ image: 'busybox', devices }) as Parameters<typeof checkSpec>[0];

describe('the devices of a spec', () => {
  it('are given by path or by a name of CDI', () => {
    const devices = [{ path: '/dev/fuse', permissions: 'rw' }, { cdi: 'vendor.com/class=a' }];
    expect(checkSpec(spec(devices)).devices).toEqual(devices);
  });

  it.each([
    ['spec.devices[0].path', {}],
    ['spec.devices[0].path', null],
    ['spec.devices[0].cdi', { cdi: '' }],
    ['spec.devices[0].cdi', { cdi: 7 }],
    ['spec.devices[0].path', { cdi: 'vendor.com/class=a', path: '/dev/fuse' }],
    ['spec.devices[0].permissions', { cdi: 'vendor.com/class=a', permissions: 'r' }],
  ])('are refused with the field otherwise: %s', (field, device) => {
    const expected = device === null ? 'spec.devices[0]' : field;
    expect(() => checkSpec(spec([device]))).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: expected } }),
    );
  });

  it('that only CDI has are refused where no isolator serves them', () => {
    const checked = checkSpec(spec([{ path: '/dev/fuse' }, { cdi: 'vendor.com/class=a' }]));
    expect(() => refuseUnserved(checked, [])).toThrow(
      expect.objectContaining({ code: 'REFUSED', details: { field: 'spec.devices[1]', serves: 'devices.cdi' } }),
    );
    const serving = { name: 'gpu/cdi', serves: ['devices.cdi'], edits: async () => ({}) };
    expect(() => refuseUnserved(checked, [serving])).not.toThrow();
    expect(() => refuseUnserved(checkSpec(spec([{ path: '/dev/fuse' }])), [])).not.toThrow();
  });
});
