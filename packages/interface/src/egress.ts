import type { PortRange } from './ports.js';

/** Where a container may connect to. All else that it sends is dropped; answers to who connects to it are not. */
export interface EgressPolicy {
  readonly allow: readonly EgressRule[];
  /** Let it ask the servers of `spec.dns` for names, too: port 53, TCP and UDP. */
  readonly dns?: boolean;
  /** What happens to the rest. */
  readonly default?: 'deny';
}

/** One rule allows what matches all of its parts. */
export interface EgressRule {
  /** IPv4 or IPv6: `10.0.0.0/8`, `2001:db8::/32`, or one address. */
  readonly cidr: string;
  /** Default: any, or with `ports` TCP, UDP and SCTP. */
  readonly protocol?: 'tcp' | 'udp' | 'sctp' | 'icmp';
  /** Default: all. */
  readonly ports?: readonly (number | PortRange)[];
}
