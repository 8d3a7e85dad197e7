import type { LandlockRules } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { landlockAbilities, linuxLandlock } from '../src/linux/landlock.js';
import { contextOf } from './context.js';

const paths: LandlockRules['paths'] = [{ path: '/', allow: ['read'] }];
const all: LandlockRules = { paths, tcp: { bind: [80] }, scopes: ['signals'] };

const edits = (landlock: LandlockRules | undefined, abi: number) =>
  linuxLandlock(() => ({ abi })).edits(contextOf({ image: 'a', ...(landlock ? { landlock } : {}) }));

describe('linux/landlock', () => {
  it('does nothing unless it is asked, also where there is no Landlock', async () => {
    expect(await edits(undefined, 0)).toEqual({});
  });

  it.each([
    [{ paths }, 3],
    [{ tcp: { bind: [] } }, 4],
    [{ tcp: { connect: [443] } }, 4],
    [{ scopes: ['abstract-sockets'] }, 6],
    [all, 6],
    [{ paths, scopes: [] }, 3],
  ] as [LandlockRules, number][])('takes %j from version %i on, and refuses it before', async (landlock, needed) => {
    expect(await edits(landlock, needed)).toEqual({ landlock });
    await expect(edits(landlock, needed - 1)).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringMatching(
        `takes version ${needed} of Landlock, and this kernel has version ${needed - 1}; use Linux`,
      ),
      details: { isolator: 'linux/landlock', needed, abi: needed - 1 },
    });
  });

  it('names the newest of what it takes, so that one change of the host is enough', async () => {
    await expect(edits(all, 0)).rejects.toMatchObject({ details: { field: 'spec.landlock.scopes', needed: 6 } });
  });

  it('says why there is none', async () => {
    const support = { abi: 0, problem: 'it was not switched on at the boot', remedy: 'boot with it' };
    await expect(linuxLandlock(() => support).edits(contextOf({ image: 'a', landlock: { paths } }))).rejects.toThrow(
      'linux/landlock: spec.landlock.paths takes version 3 of Landlock, and it was not switched on at the boot; boot with it',
    );
  });

  it('tells what a version can hold', () => {
    expect(landlockAbilities(2)).toBe('version 2: none of paths, tcp, scopes');
    expect(landlockAbilities(4)).toBe('version 4: paths, tcp');
  });
});
