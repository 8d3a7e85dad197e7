import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';

const [reference = 'busybox', root = 'images'] = process.argv.slice(2);
const store = createImageStore({ root, registry: createRegistryClient() });

const interrupt = new AbortController();
process.once('SIGINT', () => interrupt.abort());

const fetched = new Map<string, number>();
const image = await store.pull(reference, {
  signal: interrupt.signal,
  onProgress: (event) => {
    if (event.type !== 'fetching') return;
    fetched.set(event.digest, event.current);
    const bytes = [...fetched.values()].reduce((sum, current) => sum + current, 0);
    process.stderr.write(`\r${(bytes / 1e6).toFixed(1)} MB`);
  },
});
if (fetched.size > 0) process.stderr.write('\n');

console.log(`${image.reference} ${image.digest}${image.cached ? ', from the store' : ''}`);
for (const { descriptor } of image.layers) console.log(`layer ${descriptor.digest} ${descriptor.size} bytes`);
console.log(store.layoutPath);
