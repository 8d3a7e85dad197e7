import type { OciDeviceRule } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { allowedDevices, deviceLine, standardDeviceRules } from '../src/cgroups/device-rules.js';
import { deviceProgram } from '../src/cgroups/v2/device-program.js';
import { deviceNumbers } from '../src/linux/device-numbers.js';
import { type DeviceQuestion, permits } from './device-interpreter.js';

const linesOf = (rules: readonly OciDeviceRule[]) => allowedDevices(rules, 'cgroups/devices').map(deviceLine);
const deny: OciDeviceRule = { allow: false, access: 'rwm' };

describe('device rules', () => {
  it('allow a container the standard devices, its terminals, and nodes of any', () => {
    expect(linesOf(standardDeviceRules)).toEqual([
      'c *:* m',
      'b *:* m',
      'c 1:3 rwm',
      'c 1:5 rwm',
      'c 1:7 rwm',
      'c 1:8 rwm',
      'c 1:9 rwm',
      'c 5:0 rwm',
      'c 5:2 rwm',
      'c 136:* rwm',
    ]);
  });

  it.each<[string, OciDeviceRule[], string[]]>([
    ['all is allowed unless denied', [], ['a *:* rwm']],
    ['none after a denial', [deny], []],
    ['all, once more', [deny, { allow: true }], ['a *:* rwm']],
    ['permissions add up', [deny, fuse('r'), fuse('w')], ['c 10:229 rw']],
    [
      'what is allowed already counts once',
      [deny, { allow: true, type: 'c', access: 'rwm' }, fuse('r')],
      ['c *:* rwm'],
    ],
    ['and are taken away', [deny, fuse('rwm'), { ...fuse('m'), allow: false }], ['c 10:229 rw']],
    ['or with everything like it', [deny, fuse('rwm'), { allow: false, type: 'c', major: 10 }], []],
    ['-1 is any', [deny, { allow: true, type: 'b', major: 8, minor: -1, access: 'r' }], ['b 8:* r']],
    ['a denial of others changes nothing', [deny, fuse('r'), { allow: false, type: 'b' }], ['c 10:229 r']],
  ])('%s', (_, rules, lines) => {
    expect(linesOf(rules)).toEqual(lines);
  });

  it('that take an exception from what is allowed are refused: a list of v1 cannot hold them', () => {
    const refused = expect.objectContaining({ code: 'REFUSED' });
    expect(() => linesOf([{ ...fuse('r'), allow: false }])).toThrow(refused);
    expect(() => linesOf([deny, { allow: true, type: 'c', major: 10 }, { ...fuse('w'), allow: false }])).toThrow(
      refused,
    );
  });
});

describe('the device program of cgroup v2', () => {
  const standard = allowedDevices(standardDeviceRules, 'cgroups/devices');
  const ask = (type: 'c' | 'b', major: number, minor: number, access: string): DeviceQuestion => ({
    type,
    major,
    minor,
    access,
  });

  it.each<[DeviceQuestion, boolean]>([
    [ask('c', 1, 3, 'rw'), true],
    [ask('c', 1, 9, 'rwm'), true],
    [ask('c', 136, 1_048_575, 'rw'), true],
    [ask('c', 5, 2, 'w'), true],
    [ask('c', 1, 1, 'r'), false],
    [ask('b', 1, 3, 'r'), false],
    [ask('b', 8, 0, 'm'), true],
    [ask('b', 8, 0, 'r'), false],
    [ask('c', 10, 229, 'rw'), false],
    [ask('c', 10, 229, 'rm'), false],
    [ask('c', 0xffff_ffff, 3, 'r'), false],
  ])('answers %o: %s', (question, answer) => {
    expect(permits(deviceProgram(standard), question)).toBe(answer);
  });

  it('agrees with the rules on every device and access near those that they name', () => {
    const allowed = allowedDevices(
      [...standardDeviceRules, fuse('rw'), { allow: true, type: 'b', access: 'r', major: 7 }],
      'x',
    );
    const program = deviceProgram(allowed);
    const letters = (bits: number) => [...'rwm'].filter((_, index) => bits & (1 << index)).join('');
    for (const type of ['c', 'b'] as const) {
      for (const major of [0, 1, 2, 5, 7, 8, 10, 135, 136]) {
        for (const minor of [0, 1, 2, 3, 5, 7, 8, 9, 10, 229]) {
          for (let bits = 1; bits < 8; bits++) {
            const access = letters(bits);
            const expected = allowed.some(
              (item) =>
                item.type === type &&
                (item.major ?? major) === major &&
                (item.minor ?? minor) === minor &&
                [...access].every((letter) => item.access.includes(letter)),
            );
            expect([type, major, minor, access, permits(program, { type, major, minor, access })]).toEqual([
              type,
              major,
              minor,
              access,
              expected,
            ]);
          }
        }
      }
    }
  });

  it('lets everything through if all is allowed, and nothing if nothing is', () => {
    const question = ask('b', 8, 0, 'rwm');
    expect(permits(deviceProgram([{ type: 'a', access: 'rwm' }]), question)).toBe(true);
    expect(permits(deviceProgram([]), question)).toBe(false);
  });
});

it('device numbers are taken apart as makedev(3) puts them together', () => {
  expect(deviceNumbers(0x0103)).toEqual({ major: 1, minor: 3 });
  expect(deviceNumbers(0x8801)).toEqual({ major: 136, minor: 1 });
  expect(deviceNumbers(0x1234_5678)).toEqual({ major: 0x456, minor: 0x12378 });
});

function fuse(access: string): OciDeviceRule {
  return { allow: true, type: 'c', major: 10, minor: 229, access };
}
