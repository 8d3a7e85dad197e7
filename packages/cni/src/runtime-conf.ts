import { invalid } from './errors.js';
import { checkContainerID, checkInterfaceName } from './names.js';

/** The parameters of one attachment (specification, section 3). */
export interface RuntimeConf {
  readonly containerID: string;
  /** Path of the network namespace; empty if it is gone, which only DEL may be told. */
  readonly netNS: string;
  /** The interface in the container. */
  readonly ifName: string;
  /** CNI_ARGS, in this order. */
  readonly args?: readonly (readonly [name: string, value: string])[];
  /** By capability: each plugin gets those that its configuration declares. */
  readonly capabilityArgs?: CapabilityArgs;
}

/** The capabilities of CNI's conventions, and whatever others plugins may have. */
export interface CapabilityArgs {
  readonly portMappings?: readonly PortMappingArg[];
  /** As the `ranges` of host-local: a list of pools, of each of which an address is taken. */
  readonly ipRanges?: readonly (readonly IpRange[])[];
  /** Bits a second and bits. */
  readonly bandwidth?: {
    readonly ingressRate?: number;
    readonly ingressBurst?: number;
    readonly egressRate?: number;
    readonly egressBurst?: number;
  };
  readonly dns?: {
    readonly servers?: readonly string[];
    readonly searches?: readonly string[];
    readonly options?: readonly string[];
  };
  /** Addresses, with or without a prefix length as the plugin wants them. */
  readonly ips?: readonly string[];
  readonly mac?: string;
  readonly infinibandGUID?: string;
  readonly deviceID?: string;
  readonly aliases?: readonly string[];
  readonly cgroupPath?: string;
  readonly [capability: string]: unknown;
}

export interface PortMappingArg {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: string;
  readonly hostIP?: string;
}

export interface IpRange {
  readonly subnet: string;
  readonly rangeStart?: string;
  readonly rangeEnd?: string;
  readonly gateway?: string;
}

/** `INVALID_ARGUMENT` for parameters that no plugin may be given. */
export function checkRuntimeConf(conf: RuntimeConf): void {
  checkContainerID(conf.containerID);
  checkInterfaceName(conf.ifName);
  for (const [name, value] of conf.args ?? []) {
    if (name === '' || /[;=\0]/.test(name)) throw invalid('args', `'${name}' must be a name without ';' and '='`);
    if (/[;\0]/.test(value)) throw invalid(`args.${name}`, "must be without ';'");
  }
}

/** CNI_ARGS as plugins read it. */
export function argsText(conf: RuntimeConf): string {
  return (conf.args ?? []).map(([name, value]) => `${name}=${value}`).join(';');
}
