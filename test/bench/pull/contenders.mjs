import { containerd } from './containerd.mjs';
import { docker } from './docker.mjs';
import { gantry } from './gantry.mjs';
import { pipeline } from './pipeline.mjs';
import { podman } from './podman.mjs';
import { skopeoUmoci } from './skopeo-umoci.mjs';

/**
 * All that are compared, Gantry first.
 * @type {readonly import('./puller.mjs').Puller[]}
 */
export const contenders = [gantry(), pipeline('igzip'), pipeline('gzip'), docker, containerd, podman, skopeoUmoci];

export const contenderNames = contenders.map(({ name }) => name);
