import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const python = '/usr/bin/python3';

/** Counts, of the processes of a control group alone (PERF_FLAG_PID_CGROUP), the nanoseconds on every processor within a while: PERF_COUNT_SW_TASK_CLOCK. */
const counter = `import ctypes, os, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
number = {'x64': 298, 'arm64': 241}['${process.arch}']
group = os.open(sys.argv[1], os.O_RDONLY)
attributes = ctypes.create_string_buffer(struct.pack('=IIQ', 1, 112, 1), 112)
counters = []
for cpu in sorted(os.sched_getaffinity(0)):
  fd = libc.syscall(number, attributes, group, cpu, -1, 4)
  if fd < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
  counters.append(fd)
time.sleep(0.5)
print(sum(struct.unpack('=Q', os.read(fd, 8))[0] for fd in counters))`;

const layout = await detectCgroups();
const controller = layout.version === 'v1' ? 'perf_event' : '';
const mount = layout.mounts.get(controller || 'unified');
// To mount it for the test would take it from the v2 tree of a hybrid host.
const reasons = mount === undefined ? ['needs a host that has the v1 hierarchy perf_event mounted'] : [];

requires({ root: true, commands: [python], packages: ['python3'], reasons })('perf events', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  const groupOf = (pid: number | undefined) =>
    readFileSync(`/proc/${pid}/cgroup`, 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .find(([, names]) => names?.split(',').includes(controller))?.[2] ?? '';

  it('are counted for a container that asks for it, and for nobody beside it', async () => {
    const counted = async (script: string) => {
      const { id, pid } = await host.containerizer.launch({
        image: host.image,
        command: ['/bin/sh', '-c', script],
        resources: { perfEvent: true },
      });
      const folder = join(mount ?? '', groupOf(pid));
      expect(folder).toMatch(new RegExp(`/${id}$`));
      const count = Number(execFileSync(python, ['-c', counter, folder], { encoding: 'utf8' }));
      await host.containerizer.destroy(id);
      expect(existsSync(folder)).toBe(false);
      return count;
    };
    const { id, pid } = await host.containerizer.launch({
      image: host.image,
      command: ['/bin/sh', '-c', 'while :; do :; done'],
    });
    // On v2 every container has a group; on v1 none but those that ask.
    if (layout.version === 'v1') expect(groupOf(pid)).toBe('/');
    const busy = await counted('while :; do :; done');
    expect(busy).toBeGreaterThan(20_000_000);
    expect(await counted('exec sleep 1000')).toBeLessThan(busy / 4);
    await host.containerizer.destroy(id);
  });
});
