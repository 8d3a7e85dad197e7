/** One control-group mount of this mount namespace. */
export interface CgroupMount {
  readonly path: string;
  readonly version: 'v1' | 'v2';
  /** v1: the controllers of the hierarchy; none for a named one as systemd's. */
  readonly controllers: readonly string[];
}

/** Every v1 controller that the kernel has had; other words among a mount's options are options. */
const v1Controllers: ReadonlySet<string> = new Set([
  'blkio',
  'cpu',
  'cpuacct',
  'cpuset',
  'devices',
  'freezer',
  'hugetlb',
  'memory',
  'misc',
  'net_cls',
  'net_prio',
  'perf_event',
  'pids',
  'rdma',
]);

/** The control-group mounts at or below `root` in a /proc/PID/mountinfo; see proc(5). What a later mount hides is left out. */
export function parseCgroupMounts(mountinfo: string, root: string): CgroupMount[] {
  const byPath = new Map<string, CgroupMount | undefined>();
  for (const line of mountinfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ', 2);
    const path = unescaped(before.split(' ')[4] ?? '');
    const [type, , options = ''] = after.split(' ');
    if (path === '' || (path !== root && !path.startsWith(`${root}/`))) continue;
    const controllers = options.split(',').filter((option) => v1Controllers.has(option));
    if (type === 'cgroup2') byPath.set(path, { path, version: 'v2', controllers: [] });
    else if (type === 'cgroup') byPath.set(path, { path, version: 'v1', controllers });
    else byPath.set(path, undefined);
  }
  return [...byPath.values()].filter((mount) => mount !== undefined);
}

/** Spaces, tabs, line ends and backslashes are written as three octal digits. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
