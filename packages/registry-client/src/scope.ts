import type { ImageReference } from '@gantry/interface';

/** What a token must allow to read a repository. Distribution project, token authentication. */
export function pullScope({ repository }: ImageReference): string {
  return `repository:${repository}:pull`;
}

/** What a token must allow to read and write a repository. */
export function pushScope({ repository }: ImageReference): string {
  return `repository:${repository}:pull,push`;
}
