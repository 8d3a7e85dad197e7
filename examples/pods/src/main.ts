import { createContainerizer } from '@gantry/containerizer';

const image = process.argv[2] ?? 'busybox';
const sh = (script: string) => ({ image, command: ['/bin/sh', '-c', script] });
const mounts = [{ type: 'volume', source: 'pages', target: '/pages' }] as const;

const containerizer = await createContainerizer({
  root: process.env['GANTRY_ROOT'],
  stateRoot: process.env['GANTRY_STATE_ROOT'],
});
await containerizer.recover();

const pod = await containerizer.launchPod({
  hostname: 'pod',
  volumes: ['pages'],
  // The writer may end, and when the reader has, the pod is over.
  endsWith: 'last',
  containers: [
    { ...sh('echo "written by $(hostname)" >/pages/index.html; nc -l -p 8080 </pages/index.html'), mounts },
    sh('until nc 127.0.0.1 8080 2>/dev/null; do sleep 0.1; done'),
  ],
});
await containerizer.wait(pod.id);
for (const id of pod.containers) {
  for await (const { data } of containerizer.logs(id)) process.stdout.write(data);
}

await containerizer.remove(pod.id);
await containerizer[Symbol.asyncDispose]();
