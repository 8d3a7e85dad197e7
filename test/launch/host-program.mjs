// A host program that launches what it is given, says so, a line each, and lives until it is killed: containers, or pods, which
// have some.
import { createContainerizer } from '@gantry/containerizer';

const [root, stateRoot, ...specs] = process.argv.slice(2);
const containerizer = await createContainerizer({ root, stateRoot });
for (const spec of specs.map((text) => JSON.parse(text))) {
  const status = await (spec.containers ? containerizer.launchPod(spec) : containerizer.launch(spec));
  process.stdout.write(`${JSON.stringify(status)}\n`);
}
setInterval(() => undefined, 2 ** 30);
