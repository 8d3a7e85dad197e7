import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { createContainerizer } from '@gantry/containerizer';

const image = process.argv[2] ?? 'busybox';
const folder = process.argv[3] ?? '/tmp/gantry-cni-bridge';

// What an administrator would have in /etc/cni/net.d.
await mkdir(folder, { recursive: true });
const network = {
  cniVersion: '1.0.0',
  name: 'example',
  plugins: [
    {
      type: 'bridge',
      bridge: 'gantry-example',
      isGateway: true,
      ipMasq: true,
      ipam: {
        type: 'host-local',
        dataDir: `${folder}/leases`,
        subnet: '10.123.0.0/24',
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
};
await writeFile(`${folder}/10-example.conflist`, JSON.stringify(network));

const containerizer = await createContainerizer({
  root: process.env['GANTRY_ROOT'],
  stateRoot: process.env['GANTRY_STATE_ROOT'],
  networks: { configFolder: folder, pluginFolders: ['/opt/cni/bin', '/usr/lib/cni'] },
});
await containerizer.recover();

const server = await containerizer.launch({
  image,
  command: ['/bin/sh', '-c', 'while :; do echo "hello from $(hostname)" | nc -l -p 8080; done'],
  hostname: 'server',
  networks: [{ name: 'example' }],
  ports: [{ containerPort: 8080 }],
});
const address = server.networks?.[0]?.addresses[0]?.address.split('/')[0] ?? '';
const port = server.ports?.[0]?.hostPort ?? 0;
console.log(`the server has ${address}, and a port of the host`);

const client = await containerizer.launch({
  image,
  command: ['/bin/sh', '-c', 'until nc server 8080; do sleep 0.1; done'],
  networks: [{ name: 'example' }],
  extraHosts: [{ address, names: ['server'] }],
});
await containerizer.wait(client.id);
for await (const { data } of containerizer.logs(client.id)) process.stdout.write(`by name: ${Buffer.from(data)}`);
console.log(`by the host's port: ${(await read(port)).trim()}`);

for (const { id } of [client, server]) {
  await containerizer.destroy(id);
  await containerizer.remove(id);
}
await containerizer[Symbol.asyncDispose]();

/** What comes from a port of the host, once somebody listens behind it. */
async function read(port: number): Promise<string> {
  for (;;) {
    try {
      let text = '';
      for await (const piece of connect({ host: '127.0.0.1', port })) text += String(piece);
      return text;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error;
    }
  }
}
