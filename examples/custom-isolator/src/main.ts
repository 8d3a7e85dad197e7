import { createContainerizer } from '@gantry/containerizer';
import { timeLimit } from './time-limit.js';

const containerizer = await createContainerizer({
  root: process.env['GANTRY_ROOT'],
  stateRoot: process.env['GANTRY_STATE_ROOT'],
  isolators: (own) => [...own, timeLimit()],
});
await containerizer.recover();

const { id } = await containerizer.launch({
  image: process.argv[2] ?? 'busybox',
  command: ['/bin/sh', '-c', 'echo "I have $SECONDS_TO_LIVE s"; sleep 1000'],
  labels: { 'example.org/seconds': '0.5' },
});
const { limitation } = await containerizer.wait(id);
for await (const { data } of containerizer.logs(id)) process.stdout.write(data);
console.log(`${limitation?.isolator}: ${limitation?.message}`);

await containerizer.remove(id);
await containerizer[Symbol.asyncDispose]();
