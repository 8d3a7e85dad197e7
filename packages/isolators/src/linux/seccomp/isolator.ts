import { existsSync } from 'node:fs';
import type { CallOptions, Isolator, OciSeccomp, PrepareContext } from '@gantry/interface';
import { refused } from '../../errors.js';
import { nominalCapabilities } from '../capabilities.js';
import { defaultProfile } from './default-profile.js';
import { type Facts, factsOfHost } from './facts.js';
import { readProfileFile } from './file.js';
import { toOciSeccomp } from './profile.js';

const name = 'linux/seccomp';

/** `linux/seccomp`: which system calls a container may make; a default profile unless its spec says otherwise. */
export function linuxSeccomp(): Isolator {
  return {
    name,
    async edits({ spec }, options: CallOptions = {}) {
      const setting = spec.seccomp ?? 'default';
      if (setting === 'unconfined') return {};
      requireFilters();
      if (setting === 'default') return { seccomp: defaultOf(spec) };
      if ('defaultAction' in setting) return { seccomp: toOciSeccomp(setting, factsOf(spec), 'spec.seccomp') };
      const profile = await readProfileFile(setting.path, options.signal);
      return { seccomp: toOciSeccomp(profile, factsOf(spec), setting.path) };
    },
  };
}

type Spec = PrepareContext['spec'];

function factsOf(spec: Spec): Facts {
  return factsOfHost(spec.sandbox ? [] : nominalCapabilities(spec.capabilities ?? {}));
}

/** What the default profile comes to, by the capabilities that are asked for; the same object for the same ones, which nobody can change. */
const defaults = new Map<string, OciSeccomp>();
const keptDefaults = 64;

function defaultOf(spec: Spec): OciSeccomp {
  const key = JSON.stringify([spec.sandbox ?? false, spec.capabilities]);
  const known = defaults.get(key);
  if (known) return known;
  const made = deepFreeze(toOciSeccomp(defaultProfile, factsOf(spec), 'the default profile'));
  if (defaults.size >= keptDefaults) defaults.clear();
  defaults.set(key, made);
  return made;
}

function deepFreeze<T extends object>(value: T): T {
  for (const item of Object.values(value)) if (typeof item === 'object' && item !== null) deepFreeze(item);
  return Object.freeze(value);
}

let hasFilters: boolean | undefined;

/** A kernel does not change while we run. */
function requireFilters(): void {
  hasFilters ??= existsSync('/proc/sys/kernel/seccomp/actions_avail');
  if (hasFilters) return;
  throw refused(
    name,
    'the kernel has no seccomp filters',
    "use one that is built with CONFIG_SECCOMP_FILTER, or ask for spec.seccomp 'unconfined'",
  );
}
