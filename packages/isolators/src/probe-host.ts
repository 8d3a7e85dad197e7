import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import type { CgroupLayout, HostAbility } from '@gantry/interface';
import {
  appArmorRestriction,
  findProgram,
  idHelpers,
  type Obstacle,
  ownIds,
  ownNames,
  readSubordinateRanges,
  userNamespaceObstacle,
} from '@gantry/native';
import { createCgroups } from './cgroups/create-cgroups.js';
import { landlockAbilities, landlockSupport } from './linux/landlock.js';
import { ownCapabilities } from './linux/own-process.js';
import { probeControlGroups } from './probe-cgroups.js';

const isRoot = () => process.geteuid?.() === 0;

/**
 * What can be told of this kernel and user by looking, and by making and removing a control group. `withoutCgroups` as
 * `createIsolators` is given it.
 */
export function probeHost(
  layout: CgroupLayout,
  cgroupParent: string | undefined,
  withoutCgroups?: Obstacle,
): HostAbility[] {
  return [
    ...kernel(),
    ...users(),
    ...privileges(),
    ...probeControlGroups(layout, cgroupParent, withoutCgroups),
    devicePermissions(layout),
    ...programs(),
  ];
}

function kernel(): HostAbility[] {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const isNew = major > 5 || (major === 5 && minor >= 12);
  const seccomp = readText('/proc/sys/kernel/seccomp/actions_avail');
  return [
    ability('kernel', isNew, `it is Linux ${release()}`, 'use Linux 5.12 or later', release()),
    ability(
      'seccomp',
      seccomp !== undefined,
      'the kernel has no seccomp',
      'use one with CONFIG_SECCOMP_FILTER',
      seccomp?.trim(),
    ),
    landlock(),
  ];
}

function landlock(): HostAbility {
  const { abi, problem = '', remedy = '' } = landlockSupport();
  return ability('landlock', abi > 0, problem, remedy, landlockAbilities(abi));
}

function users(): HostAbility[] {
  const obstacle = userNamespaceObstacle();
  const armor = appArmorRestriction();
  const { newuidmap, newgidmap } = idHelpers();
  const owners = isRoot() ? new Set(['gantry', 'containers']) : ownNames();
  const lacking = ['/etc/subuid', '/etc/subgid'].find((path) => readSubordinateRanges(path, owners).length === 0);
  const name = [...owners].at(-1) ?? '';
  return [
    obstacle
      ? { name: 'user namespaces allowed', works: false, reason: obstacle.problem, remedy: obstacle.remedy }
      : { name: 'user namespaces allowed', works: true },
    armor
      ? { name: 'user namespaces unrestricted by AppArmor', works: false, reason: armor.problem, remedy: armor.remedy }
      : { name: 'user namespaces unrestricted by AppArmor', works: true },
    ...Object.entries({ newuidmap, newgidmap }).map(([program, path]) =>
      ability(program, path !== undefined, `${program} is not installed`, 'install the package uidmap', path),
    ),
    ability(
      'ranges of ids',
      lacking === undefined,
      `${lacking} has no range for ${[...owners].join(' or ')}`,
      isRoot()
        ? `add the line '${name}:524288:65536' to it, with a range that is nobody's yet`
        : (ownIds().lacking?.remedy ?? `have root add one for ${name}`),
    ),
  ];
}

function privileges(): HostAbility[] {
  const held = ownCapabilities();
  const need = (name: string, capability: string) =>
    ability(
      name,
      held.has(capability),
      `the host program does not hold ${capability}`,
      'start it with that capability',
    );
  return [
    need('raising rlimits and lowering oom_score_adj', 'CAP_SYS_RESOURCE'),
    need('mounting outside of user namespaces', 'CAP_SYS_ADMIN'),
    need('making devices', 'CAP_MKNOD'),
  ];
}

/** Whether control groups say which devices a container may open. */
function devicePermissions(layout: CgroupLayout): HostAbility {
  const name = 'device permissions';
  if (!isRoot())
    return { name, works: false, reason: "they are root's to give", remedy: 'run the host program as root' };
  const missing = createCgroups(layout).devices.missing();
  if (missing === undefined) return { name, works: true };
  return { name, works: false, reason: 'nothing holds containers to the devices that they may open', remedy: missing };
}

function programs(): HostAbility[] {
  const folders = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'];
  const plugins = folders.find((folder) => existsSync(join(folder, 'bridge')));
  return [
    ability(
      'CNI plugins',
      plugins !== undefined,
      `there are none in ${folders.join(', ')}`,
      'install containernetworking-plugins',
      plugins,
    ),
    ability(
      'nft',
      findProgram('nft') !== undefined,
      "nft is not installed, which egress and network 'user' need",
      'install nftables',
      findProgram('nft'),
    ),
    ...['nsenter', 'pasta', 'slirp4netns'].map((program) => {
      const path = findProgram(program);
      const package_ = packages[program] ?? program;
      return ability(
        program,
        path !== undefined,
        `${program} is not installed`,
        `install the package ${package_}`,
        path,
      );
    }),
  ];
}

/** Of Debian, where they are called otherwise. */
const packages: Readonly<Record<string, string>> = { nsenter: 'util-linux', pasta: 'passt' };

function ability(name: string, works: boolean, reason: string, remedy: string, detail?: string): HostAbility {
  if (!works) return { name, works, reason, remedy };
  return { name, works, ...(detail === undefined ? {} : { detail }) };
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
