// Pulls references into a store, for tests of several processes: `node pull-child.mjs <root> <reference>...`.
// Says `ready` once it is loaded, starts at the first line of its input, and says `done`.
import { once } from 'node:events';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';

const [root = '', ...references] = process.argv.slice(2);
const store = createImageStore({ root, registry: createRegistryClient() });
console.log('ready');
await once(process.stdin, 'data');
process.stdin.destroy();
await Promise.all(references.map((reference) => store.pull(reference)));
console.log('done');
