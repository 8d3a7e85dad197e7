import { createProvisioner } from '@gantry/provisioner';

/** @param {string} root */
export const create = (root) => createProvisioner({ root, backend: 'overlay' });
