import type { NetworkRequest } from '@gantry/interface';
import { GantryError } from '@gantry/interface';
import type { Result } from '../result.js';

/** Fails with `PLUGIN_ERROR` if an attachment came out otherwise than was asked: plugins may take no notice. */
export function verify({ name, ips = [], mac }: NetworkRequest, ifName: string, result: Result): void {
  const given = (result.ips ?? []).map(({ address }) => plain(address));
  const missing = ips.find((ip) => !given.includes(plain(ip)));
  if (missing !== undefined) throw otherwise(name, `the address ${missing}`, given.join(', ') || 'none');
  if (mac === undefined) return;
  const own = (result.interfaces ?? []).find((one) => one.name === ifName && one.sandbox !== undefined);
  if (own?.mac?.toLowerCase() !== mac.toLowerCase())
    throw otherwise(name, `the hardware address ${mac}`, own?.mac ?? 'none');
}

function otherwise(network: string, asked: string, given: string): GantryError {
  return new GantryError('PLUGIN_ERROR', `network ${network}: its plugins were asked for ${asked} and gave ${given}`, {
    details: { network, asked, given },
  });
}

/** Without a prefix length, in the one way that an address is written. */
function plain(address: string): string {
  const [ip = ''] = address.split('/');
  return ip.includes(':') ? new URL(`http://[${ip}]`).hostname : ip;
}
