export type { BackendChoice } from './backends.js';
export { createProvisioner, type FolderProvisioner, type ProvisionerOptions } from './folder-provisioner.js';
