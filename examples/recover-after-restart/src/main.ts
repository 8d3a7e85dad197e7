import { createContainerizer } from '@gantry/containerizer';

const id = 'counter';
const containerizer = await createContainerizer({
  root: process.env['GANTRY_ROOT'],
  stateRoot: process.env['GANTRY_STATE_ROOT'],
});
const { running } = await containerizer.recover();

if (!running.includes(id)) {
  await containerizer.launch({
    id,
    image: process.argv[2] ?? 'busybox',
    command: ['/bin/sh', '-c', 'while read line; do n=$((n+1)); echo "$n $line"; done; exit $n'],
    stdin: true,
  });
  const attachment = await containerizer.attach(id, { stdin: true });
  attachment.stdin?.write('from the first host program\n');
  for await (const line of attachment.stdout.setEncoding('utf8')) {
    process.stdout.write(line);
    break;
  }
  console.log('the host program is killed, the container goes on');
  process.kill(process.pid, 'SIGKILL');
}

// A host program that comes after: the container is attached to again, with all that it has written.
await using attachment = await containerizer.attach(id, { stdin: true, from: 'start' });
attachment.stdin?.end('from the second one\n');
for await (const text of attachment.stdout.setEncoding('utf8')) process.stdout.write(text);
const { exit } = await containerizer.wait(id);
console.log(exit?.type === 'exited' ? `exit code ${exit.code}` : exit);

await containerizer.remove(id);
await containerizer[Symbol.asyncDispose]();
