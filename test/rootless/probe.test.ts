import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createContainerizer, probe } from '@gantry/containerizer';
import type { HostAbility } from '@gantry/interface';
import { detectCgroups, filesystemPosix, posixCpu, posixMem } from '@gantry/isolators';
import { addon, idmapObstacle } from '@gantry/native';
import { expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { addUser } from './user.js';

/** 0 where there is no Landlock. */
function landlockVersion(): number {
  try {
    return addon().landlockAbi();
  } catch {
    return 0;
  }
}

const working = (abilities: readonly HostAbility[]) =>
  Object.fromEntries(abilities.map(({ name, works }) => [name, works]));

requires({ root: true, commands: ['newuidmap', 'setpriv'], packages: ['uidmap'] })('what the host can do', () => {
  it('is what it then does, for root, and nothing is left', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gantry-probe-'));
    const range = { inside: 0, outside: 700_000, size: 65_536 };
    const abilities = await probe({ root: join(folder, 'root'), userIds: { uids: [range], gids: [range] } });
    expect(readdirSync(folder)).toEqual([]);
    // That these work is shown by the other tests.
    const stacks = ['pasta', 'slirp4netns'].map((program) => abilities.find(({ name }) => name === program));
    expect(working(abilities)["network 'user'"]).toBe(stacks.some((stack) => stack?.works));
    expect(working(abilities)).toMatchObject({
      kernel: true,
      seccomp: true,
      'backend overlay': true,
      'backend copy': true,
      'backend bind': true,
      'namespace user': true,
      'namespace pid': true,
      'namespace network': true,
      'namespace time': existsSync('/proc/self/ns/time'),
      newuidmap: true,
      'device permissions': true,
    });
    const named = (name: string) => abilities.find((ability) => ability.name === name);
    const cgroups = await detectCgroups();
    const { mounts: trees, unified = [] } = cgroups;
    for (const controller of ['cpu', 'cpuset', 'memory', 'pids', 'hugetlb', 'net_cls', 'net_prio']) {
      expect([controller, named(`cgroup ${controller}`)?.works]).toEqual([
        controller,
        trees.has(controller) || unified.includes(controller),
      ]);
    }
    // What probe() proposes is what a launch is refused with.
    const gone = named('cgroup net_cls');
    if (!gone?.works) expect(gone?.remedy).toContain('mount -t cgroup -o net_cls cgroup /sys/fs/cgroup/net_cls');
    if (cgroups.version === 'v1') expect(named('cgroup perf_event')?.works).toBe(trees.has('perf_event'));
    const mounted = execFileSync('findmnt', ['-n', '-o', 'FSTYPE', '-T', tmpdir()], { encoding: 'utf8' }).trim();
    expect(named(`idmapped mounts of ${mounted}`)?.works).toBe((await idmapObstacle(folder)) === undefined);
    const version = landlockVersion();
    expect(named('landlock')?.works).toBe(version > 0);
    if (version > 0) expect(named('landlock')?.detail).toMatch(`version ${version}: `);
    for (const { name, works, reason, remedy } of abilities) {
      if (!works)
        expect([name, reason, remedy]).toEqual([name, expect.stringMatching(/./), expect.stringMatching(/./)]);
    }
    rmSync(folder, { recursive: true });
  });

  it('is less for an ordinary user, and less still where he may make no user namespaces', async () => {
    using user = addUser(true);
    const [abilities] = (await user.run('probe', [''])).results as [HostAbility[]];
    expect(working(abilities)).toMatchObject({
      'user namespaces allowed': true,
      'ranges of ids': true,
      'namespace user': true,
      'namespace pid': true,
      'backend overlay': true,
      'making devices': false,
      'cgroup memory': false,
    });
    const [shut] = (await user.runShut('probe', [''])).results as [HostAbility[]];
    expect(working(shut)).toMatchObject({ 'user namespaces allowed': false, 'namespace user': false });
    expect(shut.find(({ name }) => name === 'user namespaces allowed')?.remedy).toMatch(
      /sysctl -w user.max_user_namespaces/,
    );
    using other = addUser(false);
    const [alone] = (await other.run('probe', [''])).results as [HostAbility[]];
    expect(working(alone)).toMatchObject({ 'ranges of ids': false, 'namespace user': true });
    expect(alone.find(({ name }) => name === 'ranges of ids')?.remedy).toMatch(/usermod --add-subuids/);
  });

  it('may be as little as a folder of the host and a look at procfs', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gantry-posix-'));
    const containerizer = await createContainerizer({
      root: join(folder, 'root'),
      stateRoot: join(folder, 'state'),
      isolators: (own) => [
        ...own.filter(({ name }) => /^(docker|posix|linux\/(nnp|capabilities))/.test(name)),
        filesystemPosix(),
        posixCpu(),
        posixMem(),
      ],
    });
    const script = 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; echo done; exec sleep 1000';
    const { id } = await containerizer.launch({ rootfs: '/', command: ['/bin/sh', '-c', script] });
    for await (const { data } of containerizer.logs(id, { follow: true }))
      if (/done/.test(Buffer.from(data).toString())) break;
    const usage = await containerizer.usage(id);
    expect(usage.cpu?.total).toBeGreaterThan(10_000_000);
    expect(usage.memory?.current).toBeGreaterThan(100_000);
    await expect(
      containerizer.launch({ rootfs: '/', command: ['true'], mounts: [{ type: 'tmpfs', target: '/x' }] }),
    ).rejects.toThrow(/spec\.mounts\[0\]: no isolator serves/);
    await containerizer.destroy(id);
    await containerizer[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });
});
