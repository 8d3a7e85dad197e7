import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { probeUserNetwork } from '@gantry/cni';
import {
  type CallOptions,
  type HostAbility,
  isGantryError,
  type LaunchRequest,
  type OciNamespaceType,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { detectCgroups, ownIdMapper, ownUsers, probeDevices, probeHost, probeIdmapping } from '@gantry/isolators';
import { createLauncher } from '@gantry/launcher';
import { createProvisioner } from '@gantry/provisioner';
import type { ContainerizerOptions } from './create.js';
import { defaultPlaces } from './host-places.js';
import { groupsObstacle } from './ordinary-cgroups.js';

export type ProbeOptions = Pick<ContainerizerOptions, 'root' | 'cgroupParent' | 'userIds' | 'cdi' | 'nvidia'> &
  Pick<CallOptions, 'signal'>;

/**
 * What this host can do for containers of this user, and what to change for the rest. Found by trying where a try leaves nothing: a root
 * in a folder beside the others, a process in each kind of namespace, a control group. Never rejects for what does not work; `ABORTED`.
 */
export async function probe(options: ProbeOptions = {}): Promise<readonly HostAbility[]> {
  const root = options.root ?? defaultPlaces().root;
  const found: HostAbility[] = [];
  const layout = await detectCgroups().catch((error: unknown) => toGantryError(error, 'control groups'));
  if (isGantryError(layout)) {
    found.push({
      name: 'control groups',
      works: false,
      reason: layout.message,
      remedy: 'mount them at /sys/fs/cgroup',
    });
  }
  const known = isGantryError(layout) ? { version: 'v2' as const, mounts: new Map<string, string>() } : layout;
  found.push(
    ...probeHost(known, options.cgroupParent, groupsObstacle(known, options.cgroupParent)),
    probeUserNetwork(),
  );
  const { cdi, nvidia } = options;
  found.push(...(await probeDevices({ ...(cdi ? { cdi } : {}), ...(nvidia ? { places: nvidia } : {}) })));
  let parent = root;
  while (!existsSync(parent)) parent = dirname(parent);
  const folder = await mkdtemp(join(parent, '.gantry-probe-'));
  try {
    found.push(...(await probeBackends(folder)), await probeQuota(folder), ...(await probeIdmapping(folder)));
    for (const type of ['user', 'pid', 'ipc', 'uts', 'network', 'cgroup', 'time'] as const) {
      throwIfAborted(options.signal, 'probing this host');
      found.push(await probeNamespace(type, folder, options));
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return found;
}

async function probeBackends(folder: string): Promise<HostAbility[]> {
  try {
    const abilities = await createProvisioner({ root: join(folder, 'provisioner') }).probe();
    return abilities.map(({ backend, works, reason, limits }) => ({
      name: `backend ${backend}`,
      works,
      ...(works
        ? { detail: limits.join('; ') }
        : { reason: reason ?? 'unknown', remedy: 'use another backend, or another folder' }),
    }));
  } catch (error) {
    const { message } = toGantryError(error, 'trying the backends');
    return [{ name: 'backends', works: false, reason: message, remedy: 'mend user namespaces first' }];
  }
}

/** Project quotas are an option of the mount that the folder is on. */
async function probeQuota(folder: string): Promise<HostAbility> {
  const name = 'project quotas';
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).trim().split('\n');
  const holders = mounts
    .map((line) => line.split(' '))
    .filter(([, , , , point = '']) => `${folder}/`.startsWith(point === '/' ? '/' : `${point}/`))
    .sort((a, b) => (a[4]?.length ?? 0) - (b[4]?.length ?? 0));
  const holder = holders.at(-1);
  if (holder?.join(' ').match(/\b(prjquota|pquota)\b/)) return { name, works: true, detail: holder[4] ?? '' };
  const reason = `the file system at ${holder?.[4] ?? '/'} is not mounted with prjquota`;
  return { name, works: false, reason, remedy: 'mount an xfs, or an ext4 with the feature project, with prjquota' };
}

/** Starts a process in such a namespace, by the launcher itself, and ends it. */
async function probeNamespace(type: OciNamespaceType, folder: string, options: ProbeOptions): Promise<HostAbility> {
  const name = `namespace ${type}`;
  try {
    const place = await mkdtemp(join(folder, 'trial-'));
    const [target, source, stateDir] = ['target', 'source', 'state'].map((part) => join(place, part)) as [
      string,
      string,
      string,
    ];
    for (const path of [target, source, stateDir]) await mkdir(path);
    const users = ownUsers(options.userIds);
    const hasUsers = type === 'user' || users.isOrdinary;
    const ids = hasUsers ? users.ids('probe') : undefined;
    const toOci = (mappings: NonNullable<typeof ids>['uids']) =>
      mappings.map(({ inside, outside, size }) => ({ containerID: inside, hostID: outside, size }));
    const types = new Set<OciNamespaceType>(['mount', type, ...(hasUsers ? (['user'] as const) : [])]);
    const request: LaunchRequest = {
      id: 'probe',
      config: {
        ociVersion: '1.2.0',
        process: { user: { uid: 0, gid: 0 }, args: ['none'], env: [], cwd: '/' },
        root: { path: target },
        mounts: [],
        linux: {
          namespaces: [...types].map((each) => ({ type: each })),
          ...(ids ? { uidMappings: toOci(ids.uids), gidMappings: toOci(ids.gids) } : {}),
        },
      },
      rootfs: { type: 'directory', source },
      cgroups: [],
      cgroupVersion: 'v1',
      clampedRlimits: [],
      stateDir,
      first: 'sandbox',
      ...(hasUsers ? { idMapper: ownIdMapper() } : {}),
    };
    const launcher = createLauncher({ spareShim: false });
    await using container = await launcher.launch(request, options.signal ? { signal: options.signal } : {});
    await container.release();
    await container.signal(9);
    await container.exit;
    return { name, works: true };
  } catch (error) {
    throwIfAborted(options.signal, 'probing this host');
    const { message } = toGantryError(error, name);
    const remedy = message.slice(message.lastIndexOf('; ') + 1).trim() || 'run the host program as root';
    return { name, works: false, reason: message, remedy };
  }
}
