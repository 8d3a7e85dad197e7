import type { LandlockRules } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { compileEnter } from '../src/compile/enter.js';
import { compilePlan } from '../src/index.js';
import { request } from './support/document.js';

const asked = (landlock: LandlockRules, noNewPrivileges = true) =>
  request(
    (config) => {
      config.process.noNewPrivileges = noNewPrivileges;
    },
    { landlock },
  );

const ofLandlock = (landlock: LandlockRules) =>
  compilePlan(asked(landlock)).steps.filter(({ op }) => op.startsWith('landlock'));

describe('the steps of Landlock', () => {
  it('come once the root is whole, and are in force when all privilege is gone', () => {
    const ops = compilePlan(asked({ paths: [{ path: '/data', allow: ['read'] }] })).steps.map(({ op }) => op);
    expect(ops.slice(ops.indexOf('landlockRuleset') - 1)).toEqual([
      'pivotRoot',
      'landlockRuleset',
      'landlockPath',
      'chdir',
      'umask',
      'sessionKeyring',
      'capabilities',
      'user',
      'noNewPrivileges',
      'landlock',
      'ready',
      'exec',
    ]);
  });

  it('deny all rights of files, but for those of the paths', () => {
    const read = { path: '/a', allow: ['read', 'read'] } as const;
    expect(ofLandlock({ paths: [read, { path: '/b', allow: ['write', 'execute'] }] })).toEqual([
      { op: 'landlockRuleset', files: 0x7fff, network: 0, scopes: 0 },
      { op: 'landlockPath', path: '/a', access: 0x000c },
      { op: 'landlockPath', path: '/b', access: 0x7ff3 },
      { op: 'landlock' },
    ]);
  });

  it('deny only what was asked about', () => {
    expect(ofLandlock({ tcp: { bind: [80, 0] } })).toEqual([
      { op: 'landlockRuleset', files: 0, network: 1, scopes: 0 },
      { op: 'landlockPort', port: 80, access: 1 },
      { op: 'landlockPort', port: 0, access: 1 },
      { op: 'landlock' },
    ]);
    expect(ofLandlock({ tcp: { connect: [] }, scopes: ['signals', 'abstract-sockets'] })).toEqual([
      { op: 'landlockRuleset', files: 0, network: 2, scopes: 3 },
      { op: 'landlock' },
    ]);
  });

  it('of a process that enters are only that it comes under what there is', () => {
    const { steps } = compileEnter(asked({ paths: [{ path: '/data', allow: ['read'] }] }), { pid: 1, oomScoreAdj: 0 });
    expect(steps.filter(({ op }) => op.startsWith('landlock'))).toEqual([{ op: 'landlock' }]);
  });

  it('need that nobody gains privileges', () => {
    expect(() => compilePlan(asked({ paths: [] }, false))).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', details: { field: 'process.noNewPrivileges' } }),
    );
  });
});
