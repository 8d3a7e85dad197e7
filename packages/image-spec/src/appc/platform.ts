import type { Platform } from '@gantry/interface';

/** appc's names of processors by Go's. appc 0.8, aci.md#image-manifest-schema (labels). */
const architectures: ReadonlyMap<string, Omit<Platform, 'os'>> = new Map([
  ['amd64', { architecture: 'amd64' }],
  ['x86_64', { architecture: 'amd64' }],
  ['i386', { architecture: '386' }],
  ['aarch64', { architecture: 'arm64' }],
  ['aarch64_be', { architecture: 'arm64be' }],
  ['armv6l', { architecture: 'arm', variant: 'v6' }],
  ['armv7l', { architecture: 'arm', variant: 'v7' }],
  ['armv7b', { architecture: 'armbe', variant: 'v7' }],
  ['ppc64', { architecture: 'ppc64' }],
  ['ppc64le', { architecture: 'ppc64le' }],
  ['s390x', { architecture: 's390x' }],
]);

/** The platform that the `os` and `arch` labels tell; undefined if either is not told, for then the image suits any. */
export function platformOfLabels(labels: ReadonlyMap<string, string>): Platform | undefined {
  const [os, arch] = [labels.get('os'), labels.get('arch')];
  if (!os || !arch) return undefined;
  return { os, ...(architectures.get(arch) ?? { architecture: arch }) };
}

/** The `os` and `arch` labels of a platform. */
export function labelsOfPlatform(platform: Platform): { readonly os: string; readonly arch: string } {
  for (const [arch, { architecture, variant }] of architectures) {
    if (architecture === platform.architecture && (variant === undefined || variant === platform.variant)) {
      return { os: platform.os, arch };
    }
  }
  return { os: platform.os, arch: platform.architecture };
}
