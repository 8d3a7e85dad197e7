/** A network that a container joins, by CNI. */
export interface NetworkRequest {
  /** A configuration's; `default` is the first one, unless one is called that. */
  readonly name: string;
  /** What the interface is called in the container; at most 15 bytes. Default: `eth` and the place in the list, from 0. */
  readonly interface?: string;
  /** CNI_ARGS: names and values without `;` and `=`. */
  readonly args?: Readonly<Record<string, string>>;
  /** Addresses to have, with or without a prefix length. */
  readonly ips?: readonly string[];
  /** The interface's hardware address: `c2:11:22:33:44:55`. */
  readonly mac?: string;
  /** Names under which others on the network are to find the container, if a plugin of the network does that. */
  readonly aliases?: readonly string[];
  readonly bandwidth?: Bandwidth;
  /** Other capability arguments, of CNI's conventions (`ipRanges`, `infinibandGUID`, `deviceID`) or of a plugin's own. */
  readonly capabilities?: Readonly<Record<string, unknown>>;
}

/** Bits a second, and bits that may be sent at once. Towards the container is `ingress`. */
export interface Bandwidth {
  readonly ingressRate?: number;
  readonly ingressBurst?: number;
  readonly egressRate?: number;
  readonly egressBurst?: number;
}

export type PortProtocol = 'tcp' | 'udp' | 'sctp';

/** A port of the host that leads to one of the container. */
export interface PortMapping {
  readonly containerPort: number;
  /** 0 or absent: one that is free, which the status tells. */
  readonly hostPort?: number;
  /** Default `tcp`. */
  readonly protocol?: PortProtocol;
  /** Only of this address of the host's. Default: of all, IPv4 and IPv6. */
  readonly hostIp?: string;
  /** This many ports, from these on. Default 1. */
  readonly count?: number;
}

/** How a container finds other machines by name: its resolv.conf(5). */
export interface DnsSettings {
  /** Addresses. */
  readonly servers?: readonly string[];
  readonly search?: readonly string[];
  /** As in resolv.conf: `ndots:2`. */
  readonly options?: readonly string[];
}

/** A line of /etc/hosts. */
export interface HostEntry {
  readonly address: string;
  readonly names: readonly string[];
}

/** A network that a container has joined. */
export interface NetworkStatus {
  readonly name: string;
  readonly interface: string;
  readonly mac?: string;
  /** Bytes. */
  readonly mtu?: number;
  readonly addresses: readonly {
    /** With its prefix length: `10.1.0.2/16`. */
    readonly address: string;
    readonly gateway?: string;
  }[];
  readonly routes: readonly { readonly destination: string; readonly gateway?: string }[];
  /** What the network says of names. */
  readonly dns?: DnsSettings;
}

/** A port mapping in force, one port of the host's each. */
export interface MappedPort {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: PortProtocol;
  readonly hostIp?: string;
}

/** What the kernel counted of one interface of a container, from the container's side. */
export interface InterfaceUsage {
  readonly interface: string;
  readonly receivedBytes: number;
  readonly receivedPackets: number;
  readonly receiveErrors: number;
  readonly receiveDropped: number;
  readonly sentBytes: number;
  readonly sentPackets: number;
  readonly sendErrors: number;
  readonly sendDropped: number;
}

/** The program that connects a container's network namespace to the host's network by ordinary sockets, for `network: 'user'`. */
export type UserStack = 'pasta' | 'slirp4netns';

/** Keeps network namespaces at paths, whether or not there are processes in them; for an ordinary user, only while there are. */
export interface NamespacePins {
  /** Keeps that of a process at a path, where nothing is. `SYSTEM` if the process or its namespace is gone. */
  pin(path: string, pid: number): Promise<void>;
  /** Lets go of one and removes the path; does nothing if there is none. */
  unpin(path: string): Promise<void>;
}
