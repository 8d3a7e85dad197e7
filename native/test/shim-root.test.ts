import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Step } from '../../packages/launcher/src/protocol.generated.js';
import { processGone } from './support/process.js';
import { bindRoot, busyboxRoot, charDevice, isolated, noRoots, setPropagation } from './support/root.js';
import { exec, fail, run, shell, start } from './support/run.js';
import { launch, removeStateDirs, stateDir } from './support/shim-session.js';

const { ENOENT, EPERM, EACCES } = constants.errno;

afterEach(removeStateDirs);

/** Upper, work and target folders, and the steps of an overlay over these layers. */
function overlay(lower: string[]): { upper: string; steps: Step[] } {
  const folder = stateDir();
  const [target, upper, work] = ['root', 'upper', 'work'].map((name) => join(folder, name)) as [string, string, string];
  for (const path of [target, upper, work]) mkdirSync(path);
  const mount: Step = { op: 'rootOverlay', target, lower, upper, work, userxattr: 0 };
  return { upper, steps: [setPropagation, mount, { op: 'pivotRoot', path: target }] };
}

function layer(parent: string, name: string, files: Record<string, string>): string {
  const folder = join(parent, name);
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  return folder;
}

describe.skipIf(noRoots)(`overlay roots${noRoots ? ` (skipped: ${noRoots})` : ''}`, () => {
  it('stack layers with the last on top, and write to the upper folder', async () => {
    const parent = stateDir();
    const layers = [busyboxRoot(), layer(parent, 'a', { name: 'a', below: 'kept' }), layer(parent, 'b', { name: 'b' })];
    const { upper, steps } = overlay(layers);
    const { stdout } = await run([...steps, ...shell('busybox cat /name /below; echo new > /file')], isolated);
    expect(stdout).toBe('bkept');
    expect(readFileSync(join(upper, 'file'), 'utf8')).toBe('new\n');
    expect(readdirSync(join(parent, 'b'))).toEqual(['name']);
  });

  it('are volatile, so that an end does not wait for the disk, and nodev', async () => {
    const { steps } = overlay([busyboxRoot()]);
    const { shim } = await launch([...steps, ...exec('/bin/sh')], isolated);
    const { pid } = await shim.expect('hello');
    const [mount] = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n');
    expect(mount).toMatch(/ \/ \/ rw,nodev,\S* .* overlay /);
    expect(mount).toMatch(/,(fsync=)?volatile\b/);
    shim.close();
    await shim.closed();
  });

  it('take 120 layers, with names that overlayfs gives a meaning', async () => {
    const parent = join(stateDir(), 'a,b:c\\d');
    const layers = Array.from({ length: 120 }, (_, i) => layer(parent, `l:${i},x`, { [`f${i}`]: '', top: `${i}` }));
    const { steps } = overlay([busyboxRoot(), ...layers]);
    const { stdout } = await run([...steps, ...shell('busybox cat /top; echo; echo /f* | busybox wc -w')], isolated);
    expect(stdout).toBe('119\n120\n');
  });

  it('report the layer that is absent', async () => {
    const { steps } = overlay(['/no/such/layer']);
    expect(await fail([...steps, ...exec('/bin/true')], isolated)).toMatchObject({ step: 1, errno: ENOENT });
  });

  it('do not open devices that a layer holds', async () => {
    const { steps } = overlay([busyboxRoot()]);
    const { exit, stderr } = await run(
      [...steps, charDevice('/zero', 1, 5), ...shell('busybox head -c 1 /zero')],
      isolated,
    );
    expect(exit.value).not.toBe(0);
    expect(stderr).toContain('Permission denied');
  });
});

describe.skipIf(noRoots)(`pivotRoot${noRoots ? ` (skipped: ${noRoots})` : ''}`, () => {
  it('leaves no way to the host, and the host as it was', async () => {
    const before = readFileSync('/proc/self/mountinfo', 'utf8');
    const root = bindRoot();
    mkdirSync(join(root.source, 'proc'));
    const steps: Step[] = [
      ...root.mount,
      { op: 'mount', type: 'proc', source: 'proc', target: '/proc', flags: 0, data: '' },
      root.enter,
      ...shell('busybox cat /proc/self/mountinfo; busybox ls /../..'),
    ];
    const { stdout } = await run(steps, isolated);
    const [mounts, listing] = [stdout.split('\n').filter((line) => / - /.test(line)), stdout.split('\n')];
    expect(mounts.map((line) => line.split(' ')[4])).toEqual(['/', '/proc']);
    expect(listing.slice(-3)).toEqual(['bin', 'proc', '']);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(before);
  });

  it('gives the container its own null device as standard input', async () => {
    const root = bindRoot();
    const dev: Step = { op: 'mount', type: 'tmpfs', source: 'tmpfs', target: '/dev', flags: 0, data: '' };
    const inode = 'busybox stat -L -c %d:%i';
    const { stdout } = await run(
      [
        ...root.mount,
        dev,
        charDevice('/dev/null', 1, 3),
        { op: 'mount', type: 'proc', source: 'proc', target: '/proc', flags: 0, data: '' },
        root.enter,
        ...shell(`${inode} /dev/null; ${inode} /proc/self/fd/0`),
      ],
      isolated,
    );
    const [own, input] = stdout.trim().split('\n');
    expect(input).toBe(own);
  });

  it('is refused where the path is no mount', async () => {
    const folder = stateDir();
    const plan: Step[] = [setPropagation, { op: 'pivotRoot', path: folder }, ...exec('/bin/true')];
    expect(await fail(plan, isolated)).toMatchObject({ step: 1, name: 'pivotRoot: pivot_root', path: folder });
  });
});

describe.skipIf(noRoots)(`a lost shim${noRoots ? ` (skipped: ${noRoots})` : ''}`, () => {
  it('takes a container with process ids of its own with it', async () => {
    const root = bindRoot();
    const { hello } = await start([...root.mount, root.enter, ...shell('busybox sleep 1000')], isolated);
    process.kill(hello.shimPid, 'SIGKILL');
    await processGone(hello.pid);
  });
});

describe.skipIf(noRoots)(`readonlyRoot${noRoots ? ` (skipped: ${noRoots})` : ''}`, () => {
  it('refuses writes to the root, and not to what is mounted below', async () => {
    const root = bindRoot();
    const tmp: Step = { op: 'mount', type: 'tmpfs', source: 'tmpfs', target: '/tmp', flags: 0, data: '' };
    const { stdout, stderr } = await run(
      [
        ...root.mount,
        tmp,
        root.enter,
        { op: 'readonlyRoot' },
        ...shell('echo x > /tmp/file && echo fine; echo x > /file'),
      ],
      isolated,
    );
    expect(stdout).toBe('fine\n');
    expect(stderr).toContain('Read-only file system');
  });
});

describe.skipIf(noRoots)(`chdir${noRoots ? ` (skipped: ${noRoots})` : ''}`, () => {
  it('reports an absent folder', async () => {
    const root = bindRoot();
    const plan: Step[] = [...root.mount, root.enter, { op: 'chdir', path: '/none' }, ...exec('/bin/sh')];
    expect(await fail(plan, isolated)).toEqual({
      op: 'failed',
      step: 3,
      name: 'chdir: chdir',
      errno: ENOENT,
      path: '/none',
    });
  });

  it('starts the program there', async () => {
    const root = bindRoot();
    const plan: Step[] = [
      ...root.mount,
      root.enter,
      { op: 'makeFolder', path: '/deep/er' },
      { op: 'chdir', path: '/deep/er' },
      ...shell('pwd; busybox stat -c %a /deep'),
    ];
    expect((await run(plan, isolated)).stdout).toBe('/deep/er\n755\n');
  });
});

describe.skipIf(process.getuid?.() === 0)('without root', () => {
  it('a mount is refused with its errno', async () => {
    const report = await fail([setPropagation, ...exec('/bin/true')]);
    expect([EPERM, EACCES]).toContain(report.errno);
  });
});
