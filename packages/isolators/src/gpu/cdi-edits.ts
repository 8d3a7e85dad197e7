import type { IsolatorEdits, OciDevice, OciDeviceRule, OciHook, OciMount } from '@gantry/interface';
import { refused } from '../errors.js';
import { forbiddenTarget, normalTarget } from '../filesystem/targets.js';
import type { OwnedEdits } from './cdi-registry.js';
import type { CdiHook, CdiMount } from './cdi-spec.js';
import { deviceEdit } from './device-node-edit.js';
import type { EditSetting } from './edit-setting.js';

/**
 * What CDI devices have a container get. Pure. What two of them say alike counts once; where they contradict each other, and where they
 * ask for what cannot be done, `REFUSED` with `details.file`, or `details.files`.
 */
export function cdiEdits(all: readonly OwnedEdits[], setting: EditSetting): IsolatorEdits {
  for (const each of all) refuseUnmet(each, setting);
  const variables = claims<string>(setting.isolator);
  const nodes = claims<{ node: OciDevice; rule: OciDeviceRule | undefined }>(setting.isolator);
  const mounts = claims<OciMount>(setting.isolator);
  const hooks = new Map<string, CdiHook>();
  const groups = new Set<number>();
  for (const each of all) {
    const { edits } = each;
    for (const variable of edits.env ?? []) {
      const at = variable.indexOf('=');
      variables.add(`the variable ${variable.slice(0, at)}`, variable, each);
    }
    for (const node of edits.deviceNodes ?? []) {
      const edit = deviceEdit(node, each, setting);
      nodes.add(`the device ${edit.node.path}`, edit, each);
    }
    for (const mount of edits.mounts ?? []) {
      const made = ociMount(mount, each, setting);
      mounts.add(`the mount ${made.destination}`, made, each);
    }
    for (const hook of edits.hooks ?? []) hooks.set(JSON.stringify(hook), hook);
    for (const gid of edits.additionalGids ?? []) if (gid !== 0) groups.add(gid);
  }
  const rules = nodes.values().flatMap(({ rule }) => rule ?? []);
  const createContainer = hooksOf(hooks, 'createContainer');
  const startContainer = hooksOf(hooks, 'startContainer');
  return {
    env: Object.fromEntries(variables.values().map(splitVariable)),
    devices: nodes.values().map(({ node }) => node),
    // For those who can hold the container to them.
    ...(setting.unguarded === undefined ? { resources: { devices: rules } } : {}),
    mounts: mounts.values(),
    additionalGids: [...groups],
    hooks: {
      ...(createContainer.length > 0 ? { createContainer } : {}),
      ...(startContainer.length > 0 ? { startContainer } : {}),
    },
  };
}

/** What no device can have here, whatever its values are. */
function refuseUnmet({ owner, file, edits }: OwnedEdits, { isolator, host, ...setting }: EditSetting): void {
  const refuse = (problem: string, remedy: string, details = {}) =>
    refused(isolator, `${owner}, described in ${file}, ${problem}`, remedy, { details: { file, ...details } });
  if (edits.intelRdt) throw refuse('asks for a class of service (intelRdt)', 'take that out of the file');
  if (edits.netDevices && edits.netDevices.length > 0) {
    throw refuse(
      'asks for network interfaces of the host (netDevices)',
      'take that out of the file, and give the container a network with the CNI plugin host-device',
    );
  }
  if (setting.fixedGroups && edits.additionalGids?.some((gid) => gid !== 0)) {
    throw refuse('asks for groups', 'run the host program as root, or give its user a range in /etc/subgid');
  }
  for (const { hookName, path } of edits.hooks ?? []) {
    if (hookName !== 'createContainer' && hookName !== 'startContainer') {
      throw refuse(
        `asks for a ${hookName} hook`,
        'those of createContainer and startContainer are run: make it one of them, or take it out of the file',
        { hook: path },
      );
    }
    if (hookName === 'startContainer') continue;
    if (setting.hidesRoot) {
      throw refuse(
        'asks for a createContainer hook, which cannot be run in a user namespace that root makes',
        "launch the container as root with userNamespace: 'host', or take it out of the file",
        { hook: path },
      );
    }
    const errno = host.unusable.get(path);
    if (errno !== undefined) {
      throw refuse(`asks for a hook ${path}, which cannot be run (${errno})`, 'install it', { hook: path, errno });
    }
  }
}

function ociMount(mount: CdiMount, { owner, file }: OwnedEdits, { isolator, host }: EditSetting): OciMount {
  const { hostPath, containerPath, type, options = [] } = mount;
  const problem = (what: string) => `${owner}, described in ${file}, asks for a mount of ${hostPath} ${what}`;
  const destination = normalTarget(containerPath);
  const reason = destination === undefined ? "has a '..' in it" : forbiddenTarget(destination);
  if (destination === undefined || reason !== undefined) {
    const remedy = 'mount it somewhere else';
    throw refused(isolator, problem(`at ${containerPath}, which ${reason}`), remedy, {
      details: { file, path: containerPath },
    });
  }
  const saysBind = options.some((option) => option === 'bind' || option === 'rbind');
  if (!saysBind && type !== undefined && type !== 'bind' && type !== 'none') {
    return { destination, type, source: hostPath, options: [...options] };
  }
  const errno = hostPath.startsWith('/') ? host.missing.get(hostPath) : 'EINVAL';
  if (errno !== undefined) {
    const remedy = 'install what it belongs to, or have the file made anew';
    throw refused(isolator, problem(`which is not there (${errno})`), remedy, {
      details: { file, path: hostPath, errno },
    });
  }
  return { destination, type: 'bind', source: hostPath, options: saysBind ? [...options] : ['rbind', ...options] };
}

function hooksOf(hooks: ReadonlyMap<string, CdiHook>, name: CdiHook['hookName']): OciHook[] {
  const wanted = [...hooks.values()].filter(({ hookName }) => hookName === name);
  return wanted.map(({ path, args, env, timeout }) => ({
    path,
    ...(args && args.length > 0 ? { args: [...args] } : {}),
    ...(env && env.length > 0 ? { env: [...env] } : {}),
    ...(timeout === undefined ? {} : { timeout }),
  }));
}

function splitVariable(variable: string): [name: string, value: string] {
  const at = variable.indexOf('=');
  return [variable.slice(0, at), variable.slice(at + 1)];
}

/** Values under a key, each with the device that has it. */
function claims<T>(isolator: string) {
  const held = new Map<string, { readonly by: OwnedEdits; readonly value: T }>();
  return {
    add(what: string, value: T, by: OwnedEdits): void {
      const first = held.get(what);
      if (!first) held.set(what, { by, value });
      else if (JSON.stringify(first.value) !== JSON.stringify(value)) {
        throw refused(
          isolator,
          `${first.by.owner} (${first.by.file}) and ${by.owner} (${by.file}) contradict each other about ${what}`,
          'use one of them alone',
          { details: { devices: [first.by.owner, by.owner], files: [first.by.file, by.file] } },
        );
      }
    },
    values: () => [...held.values()].map(({ value }) => value),
  };
}
