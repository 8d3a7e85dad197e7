import type { ContainerSpec, PrepareContext, SharedNamespace } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { createIsolators } from '../src/create.js';
import { contextOf } from './context.js';

const isolators = createIsolators({ cgroups: { version: 'v1', mounts: new Map() } });

/** A container nested in others, the nearest first, each with what it shares with the next. */
function nested(
  spec: ContainerSpec,
  ...above: readonly { readonly spec: ContainerSpec; readonly share: readonly SharedNamespace[] }[]
): PrepareContext {
  const [nearest, ...others] = above;
  if (!nearest) return contextOf(spec);
  const { parent } = nested(nearest.spec, ...others);
  const process = { pid: 100 + above.length, startTime: 1, bootId: 'boot' };
  return {
    ...contextOf(spec),
    parent: { process, spec: nearest.spec, share: new Set(nearest.share), ...(parent ? { parent } : {}) },
  };
}

async function editsOf(name: string, context: PrepareContext) {
  const isolator = isolators.find((candidate) => candidate.name === name);
  if (!isolator) throw new Error(`there is no ${name}`);
  return isolator.edits(context);
}

describe('a nested container', () => {
  const all = ['network', 'ipc', 'uts', 'pid'] as const;

  it.each([
    ['namespaces/network', 'network', 'net'],
    ['namespaces/ipc', 'ipc', 'ipc'],
    ['namespaces/uts', 'uts', 'uts'],
    ['namespaces/pid', 'pid', 'pid'],
  ] as const)('is in its parent’s by %s, if that is shared, else in its own', async (name, type, file) => {
    const shared = await editsOf(name, nested({}, { spec: {}, share: all }));
    expect(shared.namespaces).toEqual([{ type, path: `/proc/101/ns/${file}` }]);
    const own = await editsOf(name, nested({}, { spec: {}, share: all.filter((other) => other !== type) }));
    expect(own.namespaces).toEqual([{ type }]);
  });

  it('is in the host’s if the one from which all of them have it is', async () => {
    const share = ['network', 'pid'] as const;
    const context = nested({}, { spec: {}, share }, { spec: { network: 'host', pid: 'host' }, share });
    expect(await editsOf('namespaces/network', context)).toEqual({});
    expect(await editsOf('namespaces/pid', context)).toEqual({});
    expect((await editsOf('linux/sysctl', context)).sysctl).toEqual({});
  });

  it('has the host name of the nearest that has one of its own', async () => {
    const share = ['uts'] as const;
    const context = nested({}, { spec: { id: 'middle' }, share }, { spec: { hostname: 'top' }, share });
    expect((await editsOf('docker/runtime', nested({ command: ['a'] }, ...[])))?.defaultEnv?.['HOSTNAME']).toBe('c1');
    const { defaultEnv } = await editsOf('docker/runtime', { ...context, spec: { command: ['a'] } });
    expect(defaultEnv?.['HOSTNAME']).toBe('top');
  });

  it.each([
    ['namespaces/network', 'network', { network: 'none' }],
    ['namespaces/pid', 'pid', { pid: 'private' }],
    ['namespaces/uts', 'uts', { hostname: 'mine' }],
  ] as const)('may not say, by %s, what is the parent’s to say', async (name, type, spec) => {
    const field = `spec.${Object.keys(spec)[0]}`;
    const asked = editsOf(name, nested(spec, { spec: {}, share: [type] }));
    await expect(asked).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field } });
    await expect(editsOf(name, nested(spec, { spec: {}, share: [] }))).resolves.toBeDefined();
  });

  it('sets no parameters of namespaces that it shares', async () => {
    const sysctls = { 'net.core.somaxconn': '10' };
    const shared = editsOf('linux/sysctl', nested({ sysctls }, { spec: {}, share: ['network'] }));
    await expect(shared).rejects.toMatchObject({ details: { field: 'spec.sysctls.net.core.somaxconn' } });
    const own = await editsOf('linux/sysctl', nested({ sysctls }, { spec: {}, share: ['ipc'] }));
    expect(own.sysctl).toMatchObject(sysctls);
  });
});

describe('a container in reach of one whose egress has rules', () => {
  const guarded = { spec: { egress: { allow: [] } } };
  const admin = { capabilities: { add: ['cap_net_admin'] } };
  const refusal = expect.objectContaining({
    code: 'REFUSED',
    message: expect.stringContaining('CAP_NET_ADMIN can undo spec.egress'),
  });

  it.each([
    [nested(admin, { ...guarded, share: ['network'] })],
    [nested(admin, { ...guarded, share: ['pid'] })],
    [nested(admin, { spec: {}, share: ['pid'] }, { ...guarded, share: ['network'] })],
    [nested(admin, { spec: {}, share: ['pid'] }, { ...guarded, share: ['pid'] })],
  ])('cannot have what would undo them (%#)', async (context) => {
    await expect(editsOf('network/egress', context)).rejects.toEqual(refusal);
  });

  it('can have it where it neither uses that network nor sees who does', async () => {
    for (const context of [
      nested(admin, { ...guarded, share: ['ipc'] }),
      nested(admin, { spec: {}, share: ['ipc'] }, { ...guarded, share: ['pid', 'network'] }),
    ]) {
      await expect(editsOf('network/egress', context)).resolves.toEqual({});
    }
  });

  it('has no packet sockets, which no rule sees, on that network', async () => {
    const bounding = async (share: readonly SharedNamespace[]) =>
      (await editsOf('linux/capabilities', nested({}, { ...guarded, share }))).capabilities?.bounding;
    const [within, apart] = [await bounding(['network']), await bounding(['pid'])];
    expect(apart?.filter((one) => !within?.includes(one))).toEqual(
      apart?.includes('CAP_NET_RAW') ? ['CAP_NET_RAW'] : [],
    );
    expect(within).not.toContain('CAP_NET_RAW');
  });

  it('has rules of its own only for a network of its own', async () => {
    const { spec } = guarded;
    await expect(editsOf('network/egress', contextOf({ ...spec, network: 'host' }))).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('for the whole host'),
    });
    await expect(editsOf('network/egress', nested(spec, { spec: {}, share: ['network'] }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'spec.egress' },
    });
  });
});

describe('a sandbox', () => {
  it('has no capabilities and nothing to run but what holds it', async () => {
    const context = contextOf({ sandbox: true });
    const { capabilities } = await editsOf('linux/capabilities', context);
    for (const set of Object.values(capabilities ?? {})) expect(set).toEqual([]);
    expect(await editsOf('docker/runtime', context)).toEqual({
      args: ['sandbox'],
      env: {},
      cwd: '/',
      user: { uid: 0, gid: 0 },
    });
  });
});
