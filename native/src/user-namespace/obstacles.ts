import { readFileSync } from 'node:fs';

/** Why something does not work here, and what to change. */
export interface Obstacle {
  readonly problem: string;
  readonly remedy: string;
}

/** What keeps an ordinary user from user namespaces whatever he does; undefined if nothing does that says so. */
export function userNamespaceObstacle(): Obstacle | undefined {
  if (readNumber('/proc/sys/kernel/unprivileged_userns_clone') === 0) {
    return {
      problem: 'the sysctl kernel.unprivileged_userns_clone keeps ordinary users from user namespaces',
      remedy: 'have root run: sysctl -w kernel.unprivileged_userns_clone=1',
    };
  }
  if (readNumber('/proc/sys/user/max_user_namespaces') === 0) {
    return {
      problem: 'the sysctl user.max_user_namespaces is 0',
      remedy: 'have root run: sysctl -w user.max_user_namespaces=15000',
    };
  }
  return undefined;
}

/** As {@link userNamespaceObstacle}, after a try that failed with that errno: then also what only may be the reason. */
export function explainUserNamespace(errno: string): Obstacle {
  const plain = userNamespaceObstacle();
  if (plain) return plain;
  const restricted = appArmorRestriction();
  if (restricted && (errno === 'EPERM' || errno === 'EACCES')) return restricted;
  if (errno === 'ENOSPC' || errno === 'EUSERS') {
    return {
      problem: 'there are too many user namespaces, or too many in each other',
      remedy: 'raise the sysctl user.max_user_namespaces, or end some',
    };
  }
  return {
    problem: `the kernel or its security module does not let this user make user namespaces (${errno})`,
    remedy: 'allow it (CONFIG_USER_NS, seccomp, SELinux or AppArmor), or run the host program as root',
  };
}

/** AppArmor lets confined programs alone have privileges in user namespaces that they make, if it is set so. */
export function appArmorRestriction(): Obstacle | undefined {
  if (readNumber('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') !== 1) return undefined;
  return {
    problem: 'AppArmor restricts user namespaces of ordinary users (kernel.apparmor_restrict_unprivileged_userns)',
    remedy:
      'give the host program a profile with the rule `userns`, or have root run: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0',
  };
}

/** Undefined if this kernel has no such parameter. */
function readNumber(path: string): number | undefined {
  try {
    return Number(readFileSync(path, 'latin1'));
  } catch {
    return undefined;
  }
}
