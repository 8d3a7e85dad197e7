// A host program that launches a container, says so, and lives until it is killed: given the options of its containerizer, the
// specs, and at which call of an isolator each launch is to stand still, if it is. With `waits` it waits for the ends and says what was written.
import { createContainerizer } from '@gantry/containerizer';

const { options, specs, standsAt, waits } = JSON.parse(process.argv[2] ?? '');
const never = async () => {
  process.stdout.write('standing\n');
  await new Promise(() => undefined);
};
const standing = { name: 'a/standing', edits: async () => ({}), ...(standsAt ? { [standsAt]: never } : {}) };
const containerizer = await createContainerizer({ ...options, isolators: (own) => [...own, standing] });
for (const spec of specs) {
  const status = await containerizer.launch(spec);
  process.stdout.write(`${JSON.stringify(status)}\n`);
  if (!waits) continue;
  await containerizer.wait(status.id);
  let written = '';
  for await (const { data } of containerizer.logs(status.id)) written += Buffer.from(data).toString();
  process.stdout.write(`${JSON.stringify(written)}\n`);
  await containerizer.remove(status.id);
}
if (waits) await containerizer[Symbol.asyncDispose]();
else setInterval(() => undefined, 2 ** 30);
