import { createProvisioner } from '@gantry/provisioner';

export const create = (root) => createProvisioner({ root, backend: 'overlay' });
