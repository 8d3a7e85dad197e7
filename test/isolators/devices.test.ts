import { readdirSync, statSync } from 'node:fs';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

/** Of every machine; that it can be opened depends on nothing but the node and the control group. */
const device = '/dev/cpu_dma_latency';
const numbers = () => {
  const { rdev } = statSync(device);
  return `${(rdev >> 8) & 0xfff} ${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
};
const tryOpen = (path: string) =>
  `(exec 3< ${path}) 2>/dev/null && echo read; (exec 3> ${path}) 2>/dev/null && echo write; echo done`;

requires({ root: true })('devices', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('of the host cannot be opened, whatever nodes the container makes', async () => {
    const script = `mknod /dev/made c ${numbers()} && echo made; ${tryOpen('/dev/made')}; (exec 3< /dev/made) 2>&1`;
    const { stdout } = await host.run(sh(script));
    expect(stdout).toMatch(/^made\ndone\n.*Operation not permitted\n$/);
  });

  it('that are standard work, and so do terminals', async () => {
    const script =
      'for d in null zero full random urandom; do (exec 3<> /dev/$d) && echo $d; done; head -c 3 /dev/zero | wc -c';
    expect((await host.run(sh(script))).stdout).toBe('null\nzero\nfull\nrandom\nurandom\n3\n');
    expect((await host.run({ ...sh('(exec 3<> /dev/tty) && (exec 3<> /dev/ptmx) && tty'), tty: true })).stdout).toMatch(
      /^\/dev\/(pts\/0|console)\r\n$/,
    );
  });

  it('asked for are there under the host’s numbers and mode, and can be used as was asked', async () => {
    const script = `ls -ln /dev/latency | tr -s ' ' | cut -d ' ' -f 1,3-6; ${tryOpen('/dev/latency')}`;
    const devices = (permissions: string) => [{ path: device, containerPath: '/dev/latency', permissions }];
    const [major, minor] = numbers().split(' ');
    const listed = `crw------- 0 0 ${major}, ${minor}\n`;
    expect((await host.run({ ...sh(script), devices: devices('rw') })).stdout).toBe(`${listed}read\nwrite\ndone\n`);
    expect((await host.run({ ...sh(script), devices: devices('r') })).stdout).toBe(`${listed}read\ndone\n`);
  });

  it('can be used by a process that is started later too, and by no other container', async () => {
    const { id } = await host.containerizer.launch({
      image: host.image,
      ...sh('exec sleep 1000'),
      devices: [{ path: device, permissions: 'r' }],
    });
    const exec = await host.containerizer.exec(id, { command: ['/bin/sh', '-c', `exec 3< ${device}`] });
    expect(await exec.exit).toMatchObject({ code: 0 });
    const { stdout } = await host.run(sh(`mknod /dev/made c ${numbers()}; ${tryOpen('/dev/made')}`));
    expect(stdout).toBe('done\n');
    await host.containerizer.destroy(id);
  });

  it('that are none, or not there, or to be where none can be used, are refused before anything is made', async () => {
    const refusals = [
      [{ path: '/dev/not-there' }, /cannot be had \(ENOENT\)/],
      [{ path: '/etc/passwd' }, /is not a device/],
      [{ path: device, containerPath: '/etc/device' }, /give a containerPath below \/dev/],
      [{ path: device, containerPath: '/dev/pts/7' }, /give a containerPath below \/dev/],
    ] as const;
    for (const [index, [request, message]] of refusals.entries()) {
      await expect(host.run({ id: `refused-${index}`, ...sh('true'), devices: [request] })).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringMatching(message),
        details: { isolator: 'linux/devices' },
      });
    }
    await expect(host.run({ ...sh('true'), devices: [{ path: device, permissions: 'rr' }] })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'spec.devices[0].permissions' },
    });
    const { mounts } = await detectCgroups();
    const made = [...mounts.values()].flatMap((mount) => readdirSync(mount, { recursive: true, encoding: 'utf8' }));
    expect(made.filter((path) => path.includes('refused-'))).toEqual([]);
  });
});
