export { createProvisioner, type ProvisionerOptions } from './folder-provisioner.js';
