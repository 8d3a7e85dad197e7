import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createContainerizer } from '@gantry/containerizer';
import type { Containerizer } from '@gantry/interface';
import { shimPath } from '@gantry/native';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';
import { outputMatching, readOutput, startHost, type TestHost } from './host.js';

const waits = { command: ['/bin/sh', '-c', 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'] };
const compileMs = 300_000;

/** What a host program told: a container's status, or what it has recovered. */
type Told = { readonly pid?: number };

/** Compiles the shim as one of another protocol version. */
function compileShim(folder: string, version: number): string {
  const source = join(folder, 'shim');
  cpSync(join(shimPath, '..'), source, { recursive: true, preserveTimestamps: true });
  const header = join(source, 'protocol.generated.h');
  const text = readFileSync(header, 'utf8');
  const changed = text.replace(/kProtocolVersion = \d+;/, `kProtocolVersion = ${version};`);
  expect(changed).not.toBe(text);
  const { atime, mtime } = statSync(header);
  writeFileSync(header, changed);
  // Of what was compiled already, only what names the version is compiled again.
  utimesSync(header, atime, mtime);
  const users = execFileSync('grep', ['-l', 'kProtocolVersion', '-r', '--include=*.cc', '.'], {
    cwd: source,
    encoding: 'utf8',
  });
  for (const file of users.trim().split('\n')) rmSync(join(source, 'build', file.replace(/cc$/, 'o')), { force: true });
  execFileSync('make', ['--jobs=2'], { cwd: source, stdio: ['ignore', 'ignore', 'inherit'] });
  return join(source, 'gantry-shim');
}

for (const difference of [-1, 1]) {
  const which = difference < 0 ? 'an earlier' : 'a later';
  requires({ root: true, commands: ['make', 'g++'] })(
    `containers of ${which} release, with a shim of its own protocol`,
    () => {
      let folder: TemporaryFolder;
      let shim: string;
      let host: TestHost;
      let version: number;
      let stateRoot: string;
      let next: Containerizer | undefined;
      const programs: ChildProcess[] = [];
      beforeAll(async () => {
        folder = await temporaryFolder();
        host = await startHost();
        await host.run({ command: ['/bin/true'] });
        version = (await host.containerizer.plan({ image: host.image, ...waits })).plan.version;
        shim = compileShim(folder.path, version + difference);
      }, compileMs);
      beforeEach(() => {
        stateRoot = join(host.root, '..', 'other-state');
      });
      afterEach(async () => {
        await killAll();
        for await (const { id } of next?.containers() ?? []) {
          await next?.destroy(id);
          await next?.remove(id);
        }
        await next?.[Symbol.asyncDispose]();
        next = undefined;
      });
      afterAll(async () => {
        await host[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      });

      /** What makes a program one of the other release. */
      function otherRelease(): Record<string, string> {
        const hooks = new URL('./other-release-hooks.mjs', import.meta.url).href;
        const register = `import { register } from 'node:module'; register(${JSON.stringify(hooks)});`;
        return {
          NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(register)}`,
          GANTRY_TEST_PROTOCOL: `${version + difference}`,
          GANTRY_TEST_SHIM: shim,
        };
      }

      /** Starts a host program that lives on, and gives what it tells, a line for each argument. */
      async function run(script: string, env: Record<string, string>, ...args: string[]): Promise<Told[]> {
        const path = fileURLToPath(new URL(script, import.meta.url));
        const program = spawn(process.execPath, [path, host.root, stateRoot, ...args], {
          env: { ...process.env, ...env },
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        programs.push(program);
        const told: Told[] = [];
        for await (const line of createInterface({ input: program.stdout as NodeJS.ReadableStream })) {
          told.push(JSON.parse(line) as Told);
          if (told.length === args.length) return told;
        }
        throw new Error(`the host program ended after ${JSON.stringify(told)}`);
      }

      async function killAll(): Promise<void> {
        for (const program of programs.splice(0)) {
          if (program.exitCode !== null || program.signalCode !== null) continue;
          const gone = once(program, 'exit');
          program.kill('SIGKILL');
          await gone;
        }
      }

      async function leaveBehind(...ids: string[]): Promise<void> {
        const specs = ids.map((id) => JSON.stringify({ id, image: host.image, ...waits }));
        await run('./host-program.mjs', otherRelease(), ...specs);
        await killAll();
      }

      async function recover() {
        next = await createContainerizer({ root: host.root, stateRoot });
        return { next, report: await next.recover() };
      }

      it('are told of with the remedy, go on, and can be read, signalled, waited for and ended', async () => {
        await leaveBehind('asked', 'ended', 'lost');
        const { next, report } = await recover();
        expect(report).toMatchObject({ running: [], cleaned: [], foreign: [] });
        const remedy = new RegExp(
          `its shim speaks protocol version ${version + difference}, this launcher version ${version}: .*use the release of Gantry that started it`,
        );
        expect(report.failed.map(({ id }) => id).sort()).toEqual(['asked', 'ended', 'lost']);
        for (const { message } of report.failed) expect(message).toMatch(remedy);
        expect((await next.recover()).failed).toEqual([]);

        await outputMatching(next, 'asked', /ready/);
        const refusals = await Promise.allSettled([
          next.exec('asked', { command: ['/bin/true'] }),
          next.attach('asked'),
          next.connect('asked', 80),
        ]);
        for (const refused of refusals) {
          const reason = { code: 'UNSUPPORTED', message: expect.stringMatching(remedy) as string };
          expect(refused).toMatchObject({ status: 'rejected', reason });
        }
        await expect(next.kill('asked', 99)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
        expect((await next.status('asked')).state).toBe('RUNNING');
        expect((await next.usage('asked')).memory?.current).toBeGreaterThan(0);

        await next.kill('asked', 'SIGTERM');
        expect((await next.wait('asked')).exit).toMatchObject({ type: 'exited', code: 7 });
        expect(await readOutput(next, 'asked')).toEqual({ stdout: 'ready\n', stderr: '' });
        expect((await next.destroy('ended')).exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
        process.kill((await next.status('lost')).shimPid ?? 0, 'SIGKILL');
        expect((await next.wait('lost')).exit).toMatchObject({ type: 'unknown' });
      });

      it('are left as they were for a host program of that release', async () => {
        await leaveBehind('kept');
        const path = './recovering-program.mjs';
        const [ours = {}] = await run(path, {}, 'kept');
        expect(ours).toMatchObject({ report: { failed: [{ id: 'kept' }] }, exec: { code: 'UNSUPPORTED' } });
        await killAll();
        const [theirs = {}] = await run(path, otherRelease(), 'kept');
        expect(theirs).toMatchObject({ report: { running: ['kept'], failed: [] }, exec: { exit: { code: 5 } } });
        expect(theirs.pid).toBe(ours.pid);
        await killAll();
        expect((await recover()).report.failed).toMatchObject([{ id: 'kept' }]);
      });
    },
  );
}
