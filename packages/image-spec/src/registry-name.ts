import { GantryError } from '@gantry/interface';
import { quote } from './quote.js';

const longest = 261;
const grammar =
  /^(\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*)(?::([1-9][0-9]{0,4}))?$/;

/**
 * Reads the name of a registry, `host`, `host:port`, `[ipv6]` or `[ipv6]:port`, into its canonical form: lower case,
 * IPv6 shortened, `index.docker.io` as `docker.io`. `INVALID_ARGUMENT` (field `registry`) for anything else.
 */
export function parseRegistry(text: string): string {
  const name = canonicalRegistry(text);
  if (name !== undefined) return name;
  throw new GantryError('INVALID_ARGUMENT', `registry ${quote(text)}: want host or host:port, without scheme or path`, {
    details: { field: 'registry' },
  });
}

/** As {@link parseRegistry}, but undefined for a name that breaks the grammar. */
export function canonicalRegistry(text: string): string | undefined {
  if (typeof text !== 'string' || text.length > longest) return undefined;
  const [, host, port] = grammar.exec(text.toLowerCase()) ?? [];
  if (host === undefined || Number(port ?? 1) > 65_535) return undefined;
  const canonical = canonicalHost(host);
  if (canonical === undefined) return undefined;
  if (canonical === 'index.docker.io' && port === undefined) return 'docker.io';
  return port === undefined ? canonical : `${canonical}:${port}`;
}

/** Hosts that a URL would read as something else (`0x7f.1`, `1.2.3`) are refused, so that a name means what it says. */
function canonicalHost(host: string): string | undefined {
  if (!URL.canParse(`https://${host}`)) return undefined;
  const { hostname } = new URL(`https://${host}`);
  return host.startsWith('[') || hostname === host ? hostname : undefined;
}
