import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContainerMount, type ContainerSpec, isGantryError } from '@gantry/interface';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { outputMatching, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { buildProgram } from './attempts.js';

/** Launches in each race; GANTRY_RACES asks for more. */
const rounds = Number(process.env['GANTRY_RACES'] ?? 25);

/** A second a launch, on a machine that has much else to do. */
const patience = { timeout: Math.max(120_000, rounds * 1000) };

/** How often each result came, for who reads the report. */
const tally = (results: readonly string[]) => {
  const counts = new Map<string, number>();
  for (const result of results) counts.set(result, (counts.get(result) ?? 0) + 1);
  return [...counts].map(([result, count]) => `${count} ${JSON.stringify(result)}`).join(', ');
};

const secret = 'of the host';

requires({ root: true, commands: ['gcc', 'busybox'], packages: ['busybox-static'] })('a launch that is raced', () => {
  let host: TestHost;
  let folder: string;
  let program: string;
  /** What no container may change, nor see. */
  let outside: string;
  beforeAll(async () => {
    host = await startHost();
    folder = mkdtempSync(join(tmpdir(), 'gantry-races-'));
    program = buildProgram('swap', folder);
  });
  beforeEach(() => {
    outside = mkdtempSync(join(folder, 'outside-'));
    for (const name of ['etc', 'self']) mkdirSync(join(outside, name));
    for (const name of ['secret', 'null', 'keys']) writeFileSync(join(outside, name), secret);
  });
  afterEach(async () => {
    for await (const { id, parent } of host.containerizer.containers()) {
      if (parent === undefined) await host.containerizer.destroy(id);
    }
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  /** A container that exchanges names below `shared`, mounted at /shared, without end. */
  const startSwapping = async (shared: string, pairs: readonly string[], target = '/shared') => {
    const { id } = await host.containerizer.launch({
      image: host.image,
      command: ['/swap', ...pairs.map((name) => `${target}/${name}`)],
      mounts: [
        { type: 'bind', source: program, target: '/swap', readonly: true },
        { type: 'bind', source: shared, target },
      ],
    });
    await outputMatching(host.containerizer, id, /swapping/);
    return id;
  };

  /** Launches again and again. What came of it: what a container wrote, or the code of the error. */
  const race = async (launch: (round: number) => Partial<ContainerSpec>) => {
    const results: string[] = [];
    for (let round = 0; round < rounds; round++) {
      const result = await host.run(launch(round)).then(
        ({ stdout, stderr, termination: { exit } }) =>
          exit?.type === 'exited' && exit.code === 0 ? stdout : `${JSON.stringify(exit)} ${stdout} ${stderr}`,
        (error: unknown) => {
          if (isGantryError(error)) return error.code;
          throw error;
        },
      );
      results.push(result);
    }
    return results;
  };

  /**
   * What a container has mounted: what of which file system, how, and in what; without the names of the places, which whoever
   * writes to its root can change.
   */
  const mountsOf = (pid = 0) => {
    const lines = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').trim().split('\n');
    const mounts = new Map(
      lines.map((line) => {
        const [id = '', parent = '', , root = '', , options = ''] = line.split(' ');
        return [id, { parent, root, options, type: / - (\S+)/.exec(line)?.[1] ?? '' }] as const;
      }),
    );
    return (
      [...mounts.values()]
        .map(({ parent, root, options, type }) => `${type} in ${mounts.get(parent)?.type}: ${root} ${options}`)
        // Version 2 of control groups shows a container its own by its id.
        .map((line) => line.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/, 'ID'))
        .sort()
    );
  };

  const expectUntouched = () => {
    expect(readdirSync(outside).sort()).toEqual(['etc', 'keys', 'null', 'secret', 'self']);
    for (const name of ['etc', 'self']) expect(readdirSync(join(outside, name))).toEqual([]);
    for (const name of ['secret', 'null', 'keys']) expect(readFileSync(join(outside, name), 'utf8')).toBe(secret);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(outside);
  };

  it(
    'mounts nothing outside by a folder of a shared volume that becomes a link (CVE-2021-30465)',
    patience,
    async ({ annotate }) => {
      const shared = mkdtempSync(join(folder, 'shared-'));
      mkdirSync(join(shared, 'folder'));
      symlinkSync(outside, join(shared, 'link'));
      symlinkSync(`../../../../../../../..${outside}`, join(shared, 'up'));
      await startSwapping(shared, ['folder', 'link', 'folder', 'up']);
      const parent = await host.containerizer.launch({ image: host.image, command: ['/bin/sleep', '100000'] });
      const results = await race((round) => ({
        ...(round % 2 === 0 ? {} : { parent: parent.id }),
        command: ['/bin/sh', '-c', `cat ${outside}/secret /shared/folder/secret 2>/dev/null; echo ran`],
        workingDir: `/shared/folder/work-${round}`,
        mounts: [
          { type: 'bind', source: shared, target: '/shared' },
          { type: 'tmpfs', target: `/shared/folder/memory-${round}` },
          { type: 'bind', source: '/etc/hostname', target: `/shared/folder/file-${round}`, readonly: true },
        ],
      }));
      await annotate(tally(results));
      // What it cannot have is told, and nothing of the host is in it.
      expect(results.filter((result) => !['ran\n', 'LAUNCH_FAILED'].includes(result))).toEqual([]);
      expect(results).toContain('ran\n');
      expectUntouched();
    },
  );

  // What is nested is put together in another order than others are on newer kernels, by way of its root.
  it.for([{ nested: false }, { nested: true }])(
    'has its own /proc, /dev and masks, or does not run, in a root that another rearranges (CVE-2025-31133, CVE-2025-52881): %o',
    patience,
    async ({ nested }, { annotate }) => {
      const root = mkdtempSync(join(folder, 'root-'));
      for (const name of ['bin', 'etc', 'proc', 'dev', 'sys', 'tmp', 'work']) mkdirSync(join(root, name));
      copyFileSync('/bin/busybox', join(root, 'bin/busybox'));
      for (const name of ['sleep']) symlinkSync('busybox', join(root, 'bin', name));
      for (const name of ['proc', 'dev', 'sys', 'etc', 'work']) symlinkSync(outside, join(root, `${name}-link`));
      const parent = await host.containerizer.launch({ image: host.image, command: ['/bin/sleep', '100000'] });
      const victim = (round: number) =>
        host.containerizer.launch({
          rootfs: root,
          command: ['/bin/sleep', '100000'],
          workingDir: `/work/${round}`,
          ...(nested ? { parent: parent.id } : {}),
        });
      const undisturbed = await victim(rounds);
      const expected = mountsOf(undisturbed.pid);
      expect(expected).toContain('proc in proc: /sys ro,nosuid,nodev,noexec,relatime');
      expect(expected).toContain('tmpfs in proc: /null rw,nosuid');
      await startSwapping(
        root,
        ['proc', 'dev', 'sys', 'etc', 'work'].flatMap((name) => [name, `${name}-link`]),
      );
      const results: string[] = [];
      let ran = 0;
      // Where the other is quick, few come to run, and one must: else nothing was seen.
      for (let round = 0; round < rounds || (ran === 0 && round < 40 * rounds); round++) {
        try {
          const { id, pid } = await victim(round);
          ran++;
          expect(mountsOf(pid)).toEqual(expected);
          results.push('ran');
          await host.containerizer.destroy(id);
        } catch (error) {
          if (!isGantryError(error)) throw error;
          results.push(error.code);
        }
      }
      await annotate(tally(results));
      expect(results.filter((result) => !['ran', 'LAUNCH_FAILED', 'SYSTEM', 'REFUSED'].includes(result))).toEqual([]);
      expect(ran).toBeGreaterThan(0);
      expectUntouched();
    },
  );

  it(
    'has a part of its parent’s volume, or does not run, whatever another puts there (CVE-2017-1002101)',
    patience,
    async ({ annotate }) => {
      const shared = mkdtempSync(join(folder, 'shared-'));
      for (const name of ['folder', 'other']) mkdirSync(join(shared, name, 'deep'), { recursive: true });
      symlinkSync(outside, join(shared, 'link'));
      writeFileSync(join(shared, 'folder/deep/mine'), 'of the volume\n');
      await startSwapping(shared, ['folder', 'link']);
      const parent = await host.containerizer.launch({
        image: host.image,
        command: ['/bin/sleep', '100000'],
        mounts: [{ type: 'bind', source: shared, target: '/data' }],
      });
      const part: ContainerMount = { type: 'sandbox', of: 'parent', volume: '/data', path: 'folder', target: '/part' };
      const results = await race(() => ({
        parent: parent.id,
        command: ['/bin/sh', '-c', 'cat /part/deep/mine /part/secret 2>/dev/null; touch /part/new; echo ran'],
        mounts: [part],
      }));
      await annotate(tally(results));
      const allowed = ['of the volume\nran\n', 'LAUNCH_FAILED', 'REFUSED'];
      expect(results.filter((result) => !allowed.includes(result))).toEqual([]);
      expect(existsSync(join(outside, 'new'))).toBe(false);
      expectUntouched();
    },
  );
});
