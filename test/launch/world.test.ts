import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { parseReference } from '@gantry/image-spec';
import { createRegistryClient } from '@gantry/registry-client';
import { busyboxImage, pushImage } from '@gantry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { startHost, type TestHost } from './host.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

requires({ root: true })('the world that a container sees', () => {
  let host: TestHost;
  let folder: string;
  beforeAll(async () => {
    host = await startHost();
    folder = mkdtempSync(join(tmpdir(), 'gantry-world-'));
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  it('is its own: processes, host name, network, no descriptor of the host', async () => {
    const { stdout } = await host.run({
      ...sh('echo $$; hostname; ls /sys/class/net; ls /proc/self/fd | wc -l'),
      hostname: 'box',
    });
    // ls itself holds 0, 1, 2 and the folder.
    expect(stdout.split('\n')).toEqual(['1', 'box', 'lo', '4', '']);
  });

  it('knows localhost, whatever its image says, unless the spec says otherwise', async () => {
    const spec = { ...sh('cat /etc/hosts; ping -c 1 -W 5 localhost 2>&1'), user: '1000' };
    const { stdout } = await host.run(spec);
    expect(stdout).toMatch(/^127\.0\.0\.1\tlocalhost\n::1\tlocalhost.*\nPING localhost/);
    writeFileSync(join(folder, 'hosts'), '127.0.0.2 own\n');
    const mounts = [{ type: 'bind', source: join(folder, 'hosts'), target: '/etc/hosts' }] as const;
    expect((await host.run({ ...sh('cat /etc/hosts'), mounts })).stdout).toBe('127.0.0.2 own\n');
  });

  it('has the least privileges that ordinary images need', async () => {
    const { stdout } = await host.run(sh('grep -E "^(Cap|NoNewPrivs)" /proc/self/status'));
    const values = new Map(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split(/:\s*/) as [string, string]),
    );
    // Docker's default set.
    expect(values.get('CapEff')).toBe('00000000a80425fb');
    expect(values.get('CapInh')).toBe('0000000000000000');
    expect(values.get('CapAmb')).toBe('0000000000000000');
    expect(values.get('NoNewPrivs')).toBe('1');
  });

  it.each([
    ['guest', 'uid=1000 gid=1000'],
    ['1000', 'uid=1000 gid=1000'],
    ['1234:2345', 'uid=1234 gid=2345'],
    ['guest:0', 'uid=1000 gid=0'],
  ])('runs as user %s of its own passwd', async (user, expected) => {
    const { stdout } = await host.run({ ...sh('echo uid=$(id -u) gid=$(id -g); grep CapEff /proc/self/status'), user });
    expect(stdout).toContain(expected);
    expect(stdout).toMatch(/CapEff:\s*0+\n/);
  });

  it('refuses a user that its passwd does not have', async () => {
    await expect(host.run({ ...sh('id'), user: 'nobody-knows' })).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('starts as the image says: user, entry point, command, variables, folder, stop signal', async () => {
    const image = `${host.registry.address}/configured:1`;
    const config = {
      User: 'guest',
      Entrypoint: ['/bin/sh', '-c', 'echo "$0 $1 $PWD $GREETING $HOME"; exec sleep 99'],
      Cmd: ['zero', 'one'],
      Env: ['GREETING=hello', 'PATH=/bin'],
      WorkingDir: '/made/on/demand',
      StopSignal: 'SIGINT',
    };
    await pushImage(await busyboxImage({ config }), createRegistryClient(), parseReference(image));
    const status = await host.containerizer.launch({ image, args: ['cero', 'uno'], env: { GREETING: 'hola' } });
    expect(status.stopSignal).toBe('SIGINT');
    expect(readFileSync(`/proc/${status.pid}/status`, 'utf8')).toMatch(/^Uid:\s+1000\s+1000/m);
    for await (const entry of host.containerizer.logs(status.id, { follow: true })) {
      expect(Buffer.from(entry.data).toString()).toBe('cero uno /made/on/demand hola /home/guest\n');
      break;
    }
    await host.containerizer.destroy(status.id);
  });

  it('hides the parts of /proc and /sys that belong to the host', async () => {
    const { stdout } = await host.run(
      sh(
        'cat /proc/kcore | wc -c; ls /sys/firmware | wc -l; echo 1 > /proc/sys/kernel/panic || echo ro; touch /sys/x || echo ro',
      ),
    );
    expect(stdout.split('\n')).toEqual(['0', '0', 'ro', 'ro', '']);
  });

  it('cannot reach a device of the host', async () => {
    const { stdout } = await host.run(
      sh('mknod /dev/sda b 7 0; (exec 3< /dev/sda) 2>&1; rm /dev/sda; ls /dev | sort | tr "\\n" " "'),
    );
    expect(stdout).toMatch(/^.*sda: Operation not permitted\n/);
    expect(stdout).toContain('full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero');
  });

  it('has the binds and tmpfs it asked for, read-only where asked', async () => {
    writeFileSync(join(folder, 'file'), 'from the host\n');
    const { stdout } = await host.run({
      ...sh('cat /data/file; echo x > /data/new || echo ro; echo y > /scratch/new && stat -f -c %T /scratch; cat /one'),
      mounts: [
        { type: 'bind', source: folder, target: '/data', readonly: true },
        { type: 'bind', source: join(folder, 'file'), target: '/one' },
        { type: 'tmpfs', target: '/scratch', size: 2 ** 20 },
      ],
    });
    expect(stdout).toBe('from the host\nro\ntmpfs\nfrom the host\n');
  });

  it('can be read-only', async () => {
    const { stdout } = await host.run({
      ...sh('touch /x || echo ro; touch /dev/shm/y && echo rw'),
      readonlyRootfs: true,
    });
    expect(stdout).toBe('ro\nrw\n');
  });

  it('writes to a layer of its own', async () => {
    const { stdout: first } = await host.run(sh('echo mine > /etc/motd; cat /etc/motd'));
    const { stdout: second } = await host.run(sh('cat /etc/motd || echo absent'));
    expect(first).toBe('mine\n');
    expect(second).toBe('absent\n');
  });

  it('runs from a folder of the host without any image', async () => {
    const { stdout } = await host.run({
      image: undefined,
      rootfs: '/',
      command: ['/bin/echo', 'hello'],
      readonlyRootfs: true,
    });
    expect(stdout).toBe('hello\n');
  });

  it('does not see the host program’s environment', async () => {
    process.env['GANTRY_TEST_SECRET'] = 'leak';
    const { stdout } = await host.run(sh('env'));
    delete process.env['GANTRY_TEST_SECRET'];
    expect(stdout).not.toContain('leak');
  });

  it('can lower limits, and is refused those that the host cannot give', async () => {
    const { stdout } = await host.run({
      ...sh('ulimit -n; ulimit -c'),
      rlimits: [{ type: 'NOFILE', soft: 64, hard: 128 }],
    });
    expect(stdout.split('\n')[0]).toBe('64');
    if (canRaiseLimits()) return;
    await expect(host.run({ ...sh('true'), oomScoreAdj: -1000 })).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('is ended before its shim by a kernel that is out of memory, if the host program may have it so', async () => {
    const score = (pid: number | undefined) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'));
    const { id, pid, shimPid } = await host.containerizer.launch({
      image: host.image,
      ...sh('exec sleep 1000'),
      oomScoreAdj: 500,
    });
    const own = score(process.pid);
    expect([score(pid), score(shimPid)]).toEqual([500, canRaiseLimits() ? -999 : own]);
    await using entered = await host.containerizer.exec(id, sh('cat /proc/self/oom_score_adj'));
    expect(await text(entered.stdout)).toBe('500\n');
    await host.containerizer.destroy(id);
    expect((await host.run(sh('cat /proc/self/oom_score_adj'))).stdout).toBe(`${own}\n`);
  });
});

/** CAP_SYS_RESOURCE is bit 24. */
function canRaiseLimits(): boolean {
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> 24n) & 1n) === 1n;
}
