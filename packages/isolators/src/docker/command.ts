import type { ContainerSpec, ImageConfig } from '@gantry/interface';
import { refused } from '../errors.js';

const name = 'docker/runtime';

/**
 * What to run. The spec's `command` replaces the image's Entrypoint and Cmd; its `args` replace Cmd. `REFUSED` if that leaves nothing.
 *
 * | spec | no Entrypoint, no Cmd | Cmd only | Entrypoint only | both |
 * | --- | --- | --- | --- | --- |
 * | neither | refused | Cmd | Entrypoint | Entrypoint Cmd |
 * | args | args | args | Entrypoint args | Entrypoint args |
 * | command | command | command | command | command |
 * | both | command args | command args | command args | command args |
 */
export function mergeCommand(
  spec: Pick<ContainerSpec, 'command' | 'args'>,
  image: Pick<ImageConfig, 'entrypoint' | 'cmd'> | undefined,
): string[] {
  const merged = spec.command
    ? [...spec.command, ...(spec.args ?? [])]
    : [...(image?.entrypoint ?? []), ...(spec.args ?? image?.cmd ?? [])];
  if (merged.length === 0 || merged[0] === '') {
    throw refused(name, 'there is nothing to run', 'give spec.command, or an image with an Entrypoint or Cmd');
  }
  if (merged.some((argument) => argument.includes('\0'))) {
    throw refused(name, 'an argument of the command has a NUL byte in it', 'leave it out');
  }
  return merged;
}
