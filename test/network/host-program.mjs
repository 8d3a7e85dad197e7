// A host program that does what it is told, a JSON line each: { launch: spec } or { destroy: id }. Says how that went, a line each.
import { createInterface } from 'node:readline';
import { createContainerizer } from '@gantry/containerizer';

const [root, stateRoot, networks] = process.argv.slice(2);
const containerizer = await createContainerizer({ root, stateRoot, networks: JSON.parse(networks ?? '{}') });
await containerizer.recover();
for await (const line of createInterface({ input: process.stdin })) {
  const { launch, destroy } = JSON.parse(line);
  try {
    const done = await (launch ? containerizer.launch(launch) : containerizer.destroy(destroy));
    process.stdout.write(`${JSON.stringify(done)}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ error: String(error) })}\n`);
  }
}
