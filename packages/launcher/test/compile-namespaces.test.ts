import type { OciNamespace, ProcessIdentity } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { compileNamespaces } from '../src/compile/namespaces.js';
import { compilePlan } from '../src/index.js';
import { request } from './support/document.js';

const parent: ProcessIdentity = { pid: 42, startTime: 99, bootId: 'boot' };
const mount: OciNamespace = { type: 'mount' };
const [NS, CGROUP, UTS, IPC, PID, NET] = [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x20000000, 0x40000000] as const;

describe('the namespaces of a container', () => {
  it('are cloned, unshared or made by a step, and all are entered', () => {
    const own = compileNamespaces([mount, { type: 'pid' }, { type: 'network' }, { type: 'cgroup' }]);
    expect(own).toMatchObject({
      cloneFlags: PID + NET,
      unshareFlags: NS,
      enterFlags: NS + PID + NET + CGROUP,
      joins: [],
    });
  });

  it('that are its parent’s are joined by the identity of that process, its process ids by the clone', () => {
    const shared = compileNamespaces(
      [
        mount,
        { type: 'network', path: '/proc/42/ns/net' },
        { type: 'uts', path: '/proc/42/ns/uts' },
        { type: 'ipc' },
        { type: 'pid', path: '/proc/42/ns/pid' },
      ],
      parent,
    );
    expect(shared.joins).toEqual([{ op: 'joinParent', pid: 42, startTime: 99, namespaces: NET + UTS }]);
    expect(shared).toMatchObject({
      cloneFlags: IPC,
      within: { parent, namespaces: PID },
      enterFlags: NS + NET + UTS + IPC + PID,
    });
  });

  it('that are others’ are joined by their files', () => {
    const named = compileNamespaces([mount, { type: 'network', path: '/run/netns/one' }]);
    expect(named.joins).toEqual([{ op: 'joinNamespace', path: '/run/netns/one', namespace: NET }]);
    expect(named).toMatchObject({ cloneFlags: 0, enterFlags: NS + NET });
  });

  it('that it shares are joined before anything is set in them', () => {
    const { steps } = compilePlan(
      request(
        (config) => {
          config.linux.namespaces = [mount, { type: 'uts', path: '/proc/42/ns/uts' }, { type: 'network' }];
          config.linux.sysctl = { 'net.core.somaxconn': '10' };
        },
        { parent },
      ),
    );
    const ops = steps.map(({ op }) => op);
    expect(ops.indexOf('joinParent')).toBeLessThan(ops.indexOf('sysctl'));
  });
});

describe('the first process', () => {
  const last = (first: 'program' | 'init' | 'sandbox') =>
    compilePlan(request(undefined, { first }))
      .steps.slice(-3)
      .map(({ op }) => op);

  it.each([
    ['program', ['ready', 'exec']],
    ['init', ['ready', 'init', 'exec']],
    ['sandbox', ['ready', 'sandbox']],
  ] as const)('of the kind %s ends its plan so', (kind, ops) => {
    expect(last(kind).slice(-ops.length)).toEqual(ops);
  });

  it('has its terminal made in its own root, and its size', () => {
    const { steps } = compilePlan(
      request((config) => {
        config.process.terminal = true;
        config.process.consoleSize = { height: 50, width: 132 };
        config.process.user = { uid: 1000, gid: 1000 };
      }),
    );
    const place = steps.findIndex(({ op }) => op === 'console');
    expect(steps[place]).toEqual({ op: 'console', columns: 132, rows: 50, uid: 1000, devConsole: 1 });
    expect(place).toBeGreaterThan(steps.findIndex(({ op }) => op === 'pivotRoot'));
    expect(place).toBeLessThan(steps.findIndex(({ op }) => op === 'user'));
  });
});
