// A host program that recovers, starts a program in the container of the id it is given, tells of both in one line, and lives until it is
// killed.
import { createContainerizer } from '@gantry/containerizer';

const [root, stateRoot, id = ''] = process.argv.slice(2);
const containerizer = await createContainerizer({ root, stateRoot });
const report = await containerizer.recover();
const exec = await containerizer.exec(id, { command: ['/bin/sh', '-c', 'exit 5'] }).then(
  async (entered) => ({ exit: await entered.exit }),
  ({ code }) => ({ code }),
);
const { pid } = await containerizer.status(id);
process.stdout.write(`${JSON.stringify({ report, exec, pid })}\n`);
setInterval(() => undefined, 2 ** 30);
