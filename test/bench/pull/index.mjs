export { contenderNames } from './contenders.mjs';
export { registryContent } from './content.mjs';
export { openSession } from './session.mjs';
