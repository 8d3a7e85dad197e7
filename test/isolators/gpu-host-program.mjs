// A host program that launches a container, says so, and lives until it is killed: given the options of its containerizer, the
// specs, and at which call of an isolator each launch is to stand still, if it is.
import { createContainerizer } from '@gantry/containerizer';

const { options, specs, standsAt } = JSON.parse(process.argv[2] ?? '');
const never = async () => {
  process.stdout.write('standing\n');
  await new Promise(() => undefined);
};
const standing = { name: 'a/standing', edits: async () => ({}), ...(standsAt ? { [standsAt]: never } : {}) };
const containerizer = await createContainerizer({ ...options, isolators: (own) => [...own, standing] });
for (const spec of specs) process.stdout.write(`${JSON.stringify(await containerizer.launch(spec))}\n`);
setInterval(() => undefined, 2 ** 30);
