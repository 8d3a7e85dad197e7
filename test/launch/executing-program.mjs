// A host program that starts processes in a container it has found, tells each one's first words, a line each, and lives until it is
// killed.
import { createContainerizer } from '@gantry/containerizer';

const [root, stateRoot, id = '', ...specs] = process.argv.slice(2);
const containerizer = await createContainerizer({ root, stateRoot });
await containerizer.recover();
for (const spec of specs) {
  const { stdout } = await containerizer.exec(id, JSON.parse(spec));
  stdout.once('data', (words) => process.stdout.write(`${String(words).trim()}\n`));
}
setInterval(() => undefined, 2 ** 30);
