import type { LaunchRequest, OciSpec } from '@gantry/interface';

/** A complete document of a container with namespaces of its own and the usual mounts. */
export function document(): OciSpec {
  const none = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] };
  return {
    ociVersion: '1.2.0',
    process: { user: { uid: 0, gid: 0 }, args: ['true'], env: ['PATH=/bin'], cwd: '/', capabilities: none },
    root: { path: '/run/box/root' },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755'] },
      { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['newinstance', 'ptmxmode=0666'] },
    ],
    linux: { namespaces: (['mount', 'pid', 'ipc', 'uts', 'network'] as const).map((type) => ({ type })) },
  };
}

/** A request for that document, changed by `edit` first. */
export function request(
  edit: (config: OciSpec) => unknown = () => undefined,
  rest: Partial<LaunchRequest> = {},
): LaunchRequest {
  const config = document();
  edit(config);
  return {
    id: 'box',
    config,
    rootfs: { type: 'overlay', lower: ['/layers/1', '/layers/2'], upper: '/box/upper', work: '/box/work' },
    cgroups: [],
    cgroupVersion: 'v1',
    clampedRlimits: [],
    stateDir: '/run/box',
    ...rest,
  };
}
