import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createContainerizer } from '@gantry/containerizer';
import type { ContainerSpec, ContainerStatus } from '@gantry/interface';
import { detectCgroups } from '@gantry/isolators';
import { expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { startHost, type TestHost } from './host.js';

const MiB = 2 ** 20;
const cgroupParent = `/gantry-spare-${process.pid}`;
const { version, mounts } = await detectCgroups();
const why = version === 'v1' ? '' : ' (skipped: on cgroup v2 a process is cloned into the group of its container)';

requires({ root: true })(`control groups for the container to come${why}`, () => {
  const onV1 = it.skipIf(version !== 'v1');
  const folderOf = (controller: string, id = '') => join(mounts.get(controller) ?? '', cgroupParent, id);
  const childrenOf = (folder: string) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  const groups = (controller: string) => childrenOf(folderOf(controller));
  const held = (id: string, file: string) =>
    readFileSync(join(folderOf(file.split('.')[0] ?? '', id), file), 'utf8').trim();
  const controllers = ['cpu', 'memory', 'pids', 'devices'];

  /** The group that was made ahead, once its process is in it. */
  async function spare(host: TestHost): Promise<string> {
    const known = new Set<string>();
    for await (const { id } of host.containerizer.containers()) known.add(id);
    let found: string | undefined;
    await expect
      .poll(() => {
        found = groups('pids').find((name) => !known.has(name));
        return found !== undefined && held(found, 'pids.current') === '1';
      })
      .toBe(true);
    return found ?? '';
  }

  const sleeper = (host: TestHost, spec: Partial<ContainerSpec> = {}) => ({
    image: host.image,
    command: ['/bin/sleep', '1000'],
    ...spec,
  });

  /** The names of the groups that a container's first process is in, of all controllers. */
  async function groupsOf(host: TestHost, id: string): Promise<readonly string[]> {
    const { pid } = await host.containerizer.status(id);
    const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
    const mine = lines.filter((line) => controllers.some((name) => line.split(':')[1]?.split(',').includes(name)));
    return [...new Set(mine.map((line) => line.split(':')[2] ?? ''))];
  }

  onV1('become its own if they are as it wants them', async () => {
    await using host = await startHost({ cgroupParent });
    await host.run({ command: ['/bin/true'] });
    const ahead = await spare(host);
    const inodes = controllers.map((controller) => statSync(folderOf(controller, ahead)).ino);
    const { id } = await host.containerizer.launch(sleeper(host));
    expect(controllers.map((controller) => statSync(folderOf(controller, id)).ino)).toEqual(inodes);
    expect(await groupsOf(host, id)).toEqual([`${cgroupParent}/${id}`]);
    expect(groups('memory')).not.toContain(ahead);
  });

  onV1('are removed if it wants other limits, and it has those', async () => {
    await using host = await startHost({ cgroupParent });
    for (const [index, limits] of [{}, { memory: 64 * MiB }, { memory: 32 * MiB, pids: 7 }, {}].entries()) {
      const ahead = index > 0 ? await spare(host) : '';
      const { id } = await host.containerizer.launch(sleeper(host, { resources: { limits } }));
      expect(await groupsOf(host, id)).toEqual([`${cgroupParent}/${id}`]);
      if (limits.memory) expect(held(id, 'memory.limit_in_bytes')).toBe(String(limits.memory));
      else expect(Number(held(id, 'memory.limit_in_bytes'))).toBeGreaterThan(2 ** 60);
      if (limits.pids) expect(held(id, 'pids.max')).toBe(String(limits.pids));
      for (const controller of controllers) expect(groups(controller)).not.toContain(ahead);
      await host.containerizer.destroy(id);
    }
  });

  onV1('are left by a container that asks for another controller besides', async () => {
    await using host = await startHost({ cgroupParent });
    await host.run({ command: ['/bin/true'] });
    const ahead = await spare(host);
    const { id } = await host.containerizer.launch(sleeper(host, { resources: { cpuset: { cpus: '0' } } }));
    expect(await groupsOf(host, id)).toEqual([`${cgroupParent}/${id}`]);
    expect(held(id, 'cpuset.cpus')).toBe('0');
    expect(groups('pids')).not.toContain(ahead);
  });

  onV1('are removed with the containerizer', async () => {
    {
      await using host = await startHost({ cgroupParent });
      await host.run({ command: ['/bin/true'] });
      await spare(host);
    }
    for (const controller of controllers) expect(() => groups(controller)).toThrow('ENOENT');
  });

  onV1('are not missed if their process is ended', async () => {
    await using host = await startHost({ cgroupParent });
    await host.run({ command: ['/bin/true'] });
    const ahead = await spare(host);
    const pid = Number(readFileSync(join(folderOf('pids', ahead), 'cgroup.procs'), 'utf8'));
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => readFileSync(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ');
    const { id } = await host.containerizer.launch(sleeper(host));
    expect(await groupsOf(host, id)).toEqual([`${cgroupParent}/${id}`]);
    expect(groups('pids')).not.toContain(ahead);
  });

  onV1('are left to their host program by another that recovers', async () => {
    await using host = await startHost({ cgroupParent });
    await host.run({ command: ['/bin/true'] });
    const ahead = await spare(host);
    await using other = await createContainerizer({ root: host.root, stateRoot: host.stateRoot, cgroupParent });
    expect(await other.recover()).toMatchObject({ cleaned: [], failed: [] });
    expect(groups('pids')).toContain(ahead);
  });

  onV1('are removed by the next host program if theirs was killed', async () => {
    await using host = await startHost();
    const folders = [host.root, join(host.root, '..', 'other-state')] as const;
    const script = fileURLToPath(new URL('./host-program.mjs', import.meta.url));
    const program = spawn(process.execPath, [script, ...folders, JSON.stringify(sleeper(host))], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(createInterface({ input: program.stdout }), 'line');
    const { id, pid } = JSON.parse(line) as ContainerStatus;
    const own = /:pids:(.*)\/[^/]*$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] ?? '';
    const parents = controllers.map((controller) => join(mounts.get(controller) ?? '', own));
    const others = () => parents.flatMap((parent) => childrenOf(parent).filter((name) => name !== id));
    await expect.poll(() => others().length).toBe(controllers.length);
    const gone = once(program, 'exit');
    program.kill('SIGKILL');
    await gone;
    await using next = await createContainerizer({ root: folders[0], stateRoot: folders[1] });
    expect(await next.recover()).toMatchObject({ running: [id], cleaned: [], failed: [] });
    expect(others()).toEqual([]);
    await next.destroy(id);
  });

  onV1('are joined before they change their name, however soon that is', async () => {
    await using host = await startHost({ cgroupParent });
    for (let turn = 0; turn < 60; turn++) {
      const { id } = await host.containerizer.launch(sleeper(host));
      const since = performance.now();
      expect(await groupsOf(host, id)).toEqual([`${cgroupParent}/${id}`]);
      // A spare is begun some milliseconds after the launch, and takes some more.
      while (performance.now() - since < 4 + (turn % 20) / 4) await new Promise((resolve) => setImmediate(resolve));
    }
  });
});
