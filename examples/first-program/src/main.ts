import { createContainerizer } from '@gantry/containerizer';

const containerizer = await createContainerizer({
  root: process.env['GANTRY_ROOT'],
  stateRoot: process.env['GANTRY_STATE_ROOT'],
});
await containerizer.recover();

const { id } = await containerizer.launch(
  {
    image: process.argv[2] ?? 'busybox',
    command: ['/bin/sh', '-c', 'echo hello from $(hostname); exit 3'],
    hostname: 'gantry',
    resources: { limits: { memory: 64 * 2 ** 20, cpus: 0.5, pids: 16 } },
  },
  { onProgress: (event) => event.type === 'fetched' && console.error(`fetched ${event.digest}`) },
);
for await (const { data } of containerizer.logs(id, { follow: true })) process.stdout.write(data);
const { exit } = await containerizer.wait(id);
console.log(exit?.type === 'exited' ? `exit code ${exit.code}` : exit);

await containerizer.remove(id);
await containerizer[Symbol.asyncDispose]();
