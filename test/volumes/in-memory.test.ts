import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { mountAt, mountsOf } from './mountinfo.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

requires({ root: true })('what a container has in memory', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('is a tmpfs of the size, mode, owner and number of files asked for', async () => {
    const status = await host.containerizer.launch({
      image: host.image,
      command: ['/bin/sleep', '600'],
      mounts: [{ type: 'tmpfs', target: '/t', size: 2 ** 20, mode: 0o750, uid: 1000, gid: 2000, inodes: 4 }],
    });
    const { superOptions, options } = mountAt(status.pid, '/t');
    const wanted = ['size=1024k', 'nr_inodes=4', 'mode=750', 'uid=1000', 'gid=2000'];
    expect(superOptions).toEqual(expect.arrayContaining(wanted));
    expect(options).toEqual(expect.arrayContaining(['nosuid', 'nodev']));
    await host.containerizer.destroy(status.id);
    const { stdout } = await host.run({
      ...sh(
        'stat -c %a:%u:%g /t; cd /t; touch 1 2 3; touch 4 || echo full; dd if=/dev/zero of=1 bs=1M count=2 || wc -c <1',
      ),
      mounts: [{ type: 'tmpfs', target: '/t', size: 2 ** 20, mode: 0o750, uid: 1000, gid: 2000, inodes: 4 }],
    });
    expect(stdout).toBe('750:1000:2000\nfull\n1048576\n');
  });

  it('has a /dev/shm of 64 MiB, or of the size asked for', async () => {
    const size = 'df -k /dev/shm | tail -n 1 | sed "s/  */ /g" | cut -d " " -f 2';
    expect((await host.run(sh(size))).stdout).toBe('65536\n');
    expect((await host.run({ ...sh(size), shmSize: 2 ** 20 })).stdout).toBe('1024\n');
  });

  it('hides and protects what the spec says in place of the defaults', async () => {
    const look =
      'wc -c </etc/passwd; ls /bin | wc -l; echo 1 >/proc/sys/kernel/shm_rmid_forced || echo ro; echo x >/tmp/x || echo ro';
    const { stdout } = await host.run({
      ...sh(look),
      maskedPaths: ['/etc/passwd', '/home'],
      readonlyPaths: ['/tmp'],
    });
    expect(stdout).toMatch(/^0\n\d{2,}\nro\n$/);
    const status = await host.containerizer.launch({
      image: host.image,
      command: ['/bin/sleep', '600'],
      maskedPaths: [],
      readonlyPaths: [],
    });
    const below = mountsOf(status.pid).filter(({ point }) => /^\/(proc|sys\/firmware)\/?/.test(point));
    expect(below.map(({ point }) => point)).toEqual(['/proc']);
    await host.containerizer.destroy(status.id);
  });
});
