import { release } from 'node:os';

/** What the conditions of a profile's rules are about. */
export interface Facts {
  /** In the words of Go. */
  readonly architecture: 'amd64' | 'arm64';
  readonly kernel: KernelVersion;
  /** `CAP_*` of the container's bounding set. */
  readonly capabilities: ReadonlySet<string>;
}

export interface KernelVersion {
  readonly major: number;
  readonly minor: number;
}

let kernel: KernelVersion | undefined;

/** Of this host, for a container with these capabilities. */
export function factsOfHost(capabilities: Iterable<string>): Facts {
  kernel ??= parseKernelVersion(release()) ?? { major: 0, minor: 0 };
  const architecture = process.arch === 'arm64' ? 'arm64' : 'amd64';
  return { architecture, kernel, capabilities: new Set(capabilities) };
}

/** Of `4.8` or `6.1.0-13-amd64`; undefined for what does not begin so. */
export function parseKernelVersion(text: string): KernelVersion | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(text) ?? [];
  return major === undefined || minor === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}

export function isAtLeast(kernel: KernelVersion, least: KernelVersion): boolean {
  return kernel.major > least.major || (kernel.major === least.major && kernel.minor >= least.minor);
}
