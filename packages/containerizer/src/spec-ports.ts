import type { ContainerSpec } from '@gantry/interface';
import { isCidr } from './cidr.js';
import * as is from './fields.js';

const port = is.integer(1, 65_535);

const range: is.Check = (value, field) => {
  is.object({ first: port, last: port }, ['first', 'last'])(value, field);
  const { first, last } = value as { first: number; last: number };
  if (first > last) throw is.invalid(field, `its first port ${first} is above its last ${last}`);
};

const portOrRange: is.Check = (value, field) => (typeof value === 'number' ? port : range)(value, field);

const cidr: is.Check = (value, field) => {
  if (typeof value !== 'string' || !isCidr(value)) {
    throw is.invalid(field, 'must be an address, or a prefix with nothing behind it, as 10.0.0.0/8');
  }
};

const maxRules = 1000;

const rule: is.Check = (value, field) => {
  is.object({ cidr, protocol: is.oneOf('tcp', 'udp', 'sctp', 'icmp'), ports: is.list(portOrRange) }, ['cidr'])(
    value,
    field,
  );
  const { protocol, ports } = value as { protocol?: string; ports?: readonly unknown[] };
  if (ports?.length === 0) throw is.invalid(`${field}.ports`, 'must not be empty: leave it out for all ports');
  if (ports && protocol === 'icmp') throw is.invalid(`${field}.ports`, 'icmp has no ports');
};

const rules: is.Check = (value, field) => {
  is.list(rule)(value, field);
  if ((value as readonly unknown[]).length > maxRules) throw is.invalid(field, `must be at most ${maxRules} rules`);
};

/** `spec.egress` and `spec.listenPorts`. */
export const portFields = {
  egress: is.object({ allow: rules, dns: is.boolean, default: is.oneOf('deny') }, ['allow']),
  listenPorts: is.list(range),
};

/** What these fields say of each other and of the rest. */
export function checkPorts(spec: ContainerSpec, field: string): void {
  const { egress, dns } = spec;
  if (egress?.dns && !dns?.servers?.length) {
    throw is.invalid(`${field}.egress.dns`, 'allows the servers of spec.dns.servers, and there are none');
  }
}
