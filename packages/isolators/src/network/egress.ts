import { type ContainerId, type Isolator, isGantryError, type PrepareContext } from '@gantry/interface';
import { refused } from '../errors.js';
import { isHosts, isShared, ofParent, ownerOf } from '../namespaces/sharing.js';
import { findProgram, runProgram } from '../programs.js';
import { egressRuleset } from './egress-rules.js';

const name = 'network/egress';
const timeoutMs = 10_000;

/** With one of these a container could take the rules away, or send past them. */
const tooPowerful: ReadonlySet<string> = new Set([
  ...['ALL', 'BPF', 'NET_ADMIN', 'NET_RAW', 'SYS_ADMIN', 'SYS_MODULE', 'SYS_PTRACE', 'SYS_RAWIO'],
]);

/**
 * `network/egress`: what a container may connect to, by rules of nftables in its own network namespace, there before its
 * program runs. Nobody in the container can change them, since none of its processes, nor of those that share the network,
 * may have a capability for that; without CAP_NET_RAW, which else would be theirs, they cannot send past the rules either.
 */
export function networkEgress(): Isolator {
  const rulesets = new Map<ContainerId, string>();
  return {
    name,
    after: ['namespaces/*'],
    async edits(context) {
      check(context);
      return {};
    },
    prepares: ({ spec }) => (spec.egress ? 'anything' : 'nothing'),
    async prepare({ id, spec }) {
      if (spec.egress) rulesets.set(id, egressRuleset(spec.egress, spec.dns?.servers ?? []));
    },
    isolates: ({ spec }) => spec.egress !== undefined,
    async isolate(id, pid, options) {
      const ruleset = rulesets.get(id);
      rulesets.delete(id);
      if (ruleset !== undefined) await load(ruleset, pid, options?.signal);
    },
    async cleanup(id) {
      // The rules go with the namespace.
      rulesets.delete(id);
    },
  };
}

function check(context: PrepareContext): void {
  const { spec } = context;
  if (spec.egress && isShared(context, 'network')) throw ofParent('spec.egress', 'network');
  if (!ownerOf(context, 'network').egress) return;
  if (isHosts(context, 'network')) {
    throw refused(name, 'spec.egress would be for the whole host', 'give the container a network of its own');
  }
  const added = (spec.capabilities?.add ?? []).map((one) => one.toUpperCase().replace(/^CAP_/, ''));
  const culprit = added.find((one) => tooPowerful.has(one));
  if (culprit !== undefined) {
    throw refused(name, `a container with CAP_${culprit} can undo spec.egress`, 'do without one of them');
  }
  if (spec.egress) programs();
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
async function load(ruleset: string, pid: number, signal: AbortSignal | undefined): Promise<void> {
  const { nsenter, nft } = programs();
  const args = [`--net=/proc/${pid}/ns/net`, nft, '-f', '-'];
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
  if (!/hook output[^;]*; policy drop;/.test(stdout)) {
    throw refused(name, 'the rules are not there although they were loaded', 'see the kernel log');
  }
}
