// A host program that launches one container, says so, and lives until it is killed.
import { createContainerizer } from '@gantry/containerizer';

const [root, stateRoot, spec = ''] = process.argv.slice(2);
const containerizer = await createContainerizer({ root, stateRoot });
const status = await containerizer.launch(JSON.parse(spec));
process.stdout.write(`${JSON.stringify(status)}\n`);
setInterval(() => undefined, 2 ** 30);
