import type { JsonObject } from './json.js';
import type { NetworkConfig } from './network-config.js';
import type { Result } from './result.js';
import { formatResult } from './result-versions.js';
import type { RuntimeConf } from './runtime-conf.js';

/** Which network a plugin is run for. */
export interface RequestTarget {
  readonly name: string;
  readonly cniVersion: string;
}

/** What a plugin gets on its standard input (specification, section 3, deriving request configuration). */
export function deriveRequest(
  { raw, capabilities }: NetworkConfig,
  { name, cniVersion }: RequestTarget,
  conf?: RuntimeConf,
  prevResult?: Result,
): JsonObject {
  const { capabilities: _, runtimeConfig: __, prevResult: ___, ...own } = raw;
  const kept = Object.entries(own).filter(([key]) => !key.startsWith('cni.dev/'));
  const given = capabilities
    .map((capability) => [capability, conf?.capabilityArgs?.[capability]] as const)
    .filter(([, value]) => value !== undefined);
  return {
    ...Object.fromEntries(kept),
    cniVersion,
    name,
    ...(given.length > 0 ? { runtimeConfig: Object.fromEntries(given) } : {}),
    ...(prevResult ? { prevResult: formatResult(prevResult, cniVersion) } : {}),
  };
}
