import {
  type ContainerId,
  type ContainerSpec,
  type Isolator,
  isGantryError,
  type PrepareContext,
} from '@gantry/interface';
import { refused } from '../errors.js';
import { isHosts, isShared, ofParent, ownerOf } from '../namespaces/sharing.js';
import { rootUsers, type UserPolicy } from '../namespaces/users.js';
import { findProgram, runProgram } from '../programs.js';
import { egressRuleset, loopbackRuleset } from './egress-rules.js';

const name = 'network/egress';
/** Milliseconds that loading the rules may take: the first time, the kernel loads modules for them. */
const timeoutMs = 60_000;

/** With one of these a container could take the rules away, or send past them. */
const tooPowerful: ReadonlySet<string> = new Set([
  ...['ALL', 'BPF', 'NET_ADMIN', 'NET_RAW', 'SYS_ADMIN', 'SYS_MODULE', 'SYS_PTRACE', 'SYS_RAWIO'],
]);

/**
 * `network/egress`: what a container may connect to, by rules of nftables in its own network namespace, there before its
 * program runs: those of `spec.egress`, and of `network: 'user'` that the host's loopback is none of it. Nobody in the container can
 * change them, since none of its processes, nor of those that share the network or see them as processes, may have a capability
 * for that; without CAP_NET_RAW, which else would be theirs, they cannot send past the rules either.
 */
export function networkEgress(policy: UserPolicy = rootUsers()): Isolator {
  const rulesets = new Map<ContainerId, readonly string[]>();
  return {
    name,
    after: ['namespaces/*'],
    async edits(context) {
      check(context);
      return {};
    },
    prepares: ({ spec }) => (isGuarded(spec) ? 'anything' : 'nothing'),
    async prepare({ id, spec }) {
      if (isGuarded(spec)) rulesets.set(id, rulesetsOf(spec));
    },
    isolates: ({ spec }) => isGuarded(spec),
    async isolate(id, pid, options) {
      const own = rulesets.get(id);
      // Asked only for containers that have some: without them it would run unguarded.
      if (!own)
        throw refused(name, `the rules of container ${id} were not prepared`, 'have prepare called before isolate');
      rulesets.delete(id);
      for (const ruleset of own) await load(ruleset, pid, policy.isOrdinary, options?.signal);
    },
    async cleanup(id) {
      // The rules go with the namespace.
      rulesets.delete(id);
    },
  };
}

/** Whether a container has rules of its own, so that nobody in its network may have CAP_NET_RAW. */
export function isGuarded({ network, egress }: ContainerSpec): boolean {
  return network === 'user' || egress !== undefined;
}

function rulesetsOf({ network, egress, dns }: ContainerSpec): string[] {
  return [
    ...(network === 'user' ? [loopbackRuleset()] : []),
    ...(egress ? [egressRuleset(egress, dns?.servers ?? [])] : []),
  ];
}

function check(context: PrepareContext): void {
  const { spec } = context;
  if (spec.egress && isShared(context, 'network')) throw ofParent('spec.egress', 'network');
  const guarded = [...withinReach(context)].find(isGuarded);
  if (!guarded) return;
  if (guarded.egress && isHosts(context, 'network')) {
    throw refused(name, 'spec.egress would be for the whole host', 'give the container a network of its own');
  }
  const added = (spec.capabilities?.add ?? []).map((one) => one.toUpperCase().replace(/^CAP_/, ''));
  const culprit = added.find((one) => tooPowerful.has(one));
  if (culprit !== undefined) {
    const what = guarded.egress ? 'spec.egress' : "what keeps the host's loopback from a container of network 'user'";
    throw refused(name, `a container with CAP_${culprit} can undo ${what}`, 'do without one of them');
  }
  if (isGuarded(spec)) programs();
}

/** Who owns the network that a container is in, and those of the containers whose processes it sees: it could enter them. */
function* withinReach(context: Pick<PrepareContext, 'spec' | 'parent'>): Iterable<ContainerSpec> {
  yield ownerOf(context, 'network');
  for (let level = context; level.parent?.share.has('pid'); level = level.parent) {
    yield ownerOf(level.parent, 'network');
  }
}

function programs(): { readonly nsenter: string; readonly nft: string } {
  const nsenter = findProgram('nsenter');
  const nft = findProgram('nft');
  if (nsenter === undefined || nft === undefined) {
    const missing = nft === undefined ? 'nft' : 'nsenter';
    throw refused(name, `there is no ${missing} on this host`, 'install nftables and util-linux');
  }
  return { nsenter, nft };
}

/** All rules or none: nft makes one transaction of them. What it then lists is what the kernel has. */
async function load(ruleset: string, pid: number, isOrdinary: boolean, signal: AbortSignal | undefined): Promise<void> {
  const { nsenter, nft } = programs();
  // An ordinary user has the right to it in the container's user namespace only.
  const users = isOrdinary ? [`--user=/proc/${pid}/ns/user`, '--preserve-credentials'] : [];
  const args = [...users, `--net=/proc/${pid}/ns/net`, nft, '-f', '-'];
  const { code, stdout, stderr } = await runProgram(nsenter, args, { input: ruleset, timeoutMs, signal }).catch(
    (cause: unknown) => {
      if (isGantryError(cause, 'ABORTED')) throw cause;
      throw refused(name, 'the rules could not be loaded', 'see the cause', { cause });
    },
  );
  if (code !== 0) {
    const reason = (stderr.trim().split('\n')[0] ?? '').slice(0, 500);
    throw refused(name, `the rules could not be loaded: ${reason}`, 'the kernel needs nf_tables with nft_ct', {
      details: { code },
    });
  }
  if (!/hook output[^;]*;/.test(stdout) || !/\bdrop\b/.test(stdout)) {
    throw refused(name, 'the rules are not there although they were loaded', 'see the kernel log');
  }
}
