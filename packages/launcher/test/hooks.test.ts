import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OciHook, OciHooks, OciSpec } from '@gantry/interface';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compilePlan, createLauncher, type Step } from '../src/index.js';
import { document, request } from './support/document.js';
import { Host, processesCalled, skipNote, skipReason } from './support/host.js';

/** Fields of proc(5)'s stat from the third on. */
const statOf = (pid: number) => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
};
const parentOf = (pid: number) => Number(statOf(pid)[1]);
/** Processor time, of 10 ms each. */
const ticksOf = (pid: number) => Number(statOf(pid)[11]) + Number(statOf(pid)[12]);

const withHooks = (hooks: OciHooks, rest: (config: OciSpec) => unknown = () => undefined) => {
  return (config: OciSpec) => {
    config.hooks = hooks;
    rest(config);
  };
};

describe('hooks in a plan', () => {
  const both: OciHooks = {
    createContainer: [
      { path: '/usr/bin/one', args: ['one', '-v'], env: ['A=b'], timeout: 7 },
      { path: '/usr/bin/two' },
    ],
    startContainer: [{ path: '/bin/three' }],
  };
  const stepsOf = (edit: (config: OciSpec) => unknown, stages = false) =>
    compilePlan(request(edit), { secrets: 'masked', stages }).steps;
  const hooksOf = (steps: readonly Step[]) => steps.flatMap((step) => (step.op === 'hook' ? [step] : []));

  it('are run in their order: the host’s just before its root is gone, the container’s just before its program', () => {
    const steps = stepsOf(withHooks(both));
    const ops = steps.map((step) => (step.op === 'hook' ? step.path : step.op));
    expect(ops.slice(ops.indexOf('makeFolder'), ops.indexOf('makeFolder') + 4)).toEqual([
      'makeFolder',
      '/usr/bin/one',
      '/usr/bin/two',
      'pivotRoot',
    ]);
    expect(ops.slice(-3)).toEqual(['ready', '/bin/three', 'exec']);
  });

  it('have arguments, environment, a time limit, and the state of the specification without its pid', () => {
    const [one, two, three] = hooksOf(
      stepsOf(withHooks(both, (config) => Object.assign(config, { annotations: { a: 'b' } }))),
    );
    expect(one).toMatchObject({ argv: ['one', '-v'], env: ['A=b'], timeout: 7 });
    expect(two).toMatchObject({ argv: ['/usr/bin/two'], env: [], timeout: 0 });
    const state = { ociVersion: '1.2.0', id: 'box', status: 'creating', bundle: '/run/box', annotations: { a: 'b' } };
    expect(JSON.parse(`${one?.state}}`)).toEqual(state);
    expect(JSON.parse(`${three?.state}}`)).toEqual({ ...state, status: 'created' });
  });

  it('of the host keep the root where the host has it', () => {
    expect(stepsOf(withHooks(both), true).some(({ op }) => op === 'stage')).toBe(false);
    expect(stepsOf(withHooks({ startContainer: [{ path: '/bin/three' }] }), true)[0]).toEqual({ op: 'stage' });
    // Whichever of the two was compiled before.
    expect(stepsOf(withHooks(both), true).some(({ op }) => op === 'stage')).toBe(false);
  });

  it.each([
    ['hooks.createContainer[0].path', { path: 'bin/true' }],
    ['hooks.createContainer[0].args', { path: '/bin/true', args: [] }],
    ['hooks.createContainer[0].timeout', { path: '/bin/true', timeout: 0 }],
    ['hooks.createContainer[0].timeout', { path: '/bin/true', timeout: 86_401 }],
  ])('are refused if they break the specification: %s', (path, hook: OciHook) => {
    expect(() => stepsOf(withHooks({ createContainer: [hook] }))).toThrow(
      expect.objectContaining({ code: 'INVALID_DOCUMENT', details: { path } }),
    );
  });

  it('of the host are refused in a user namespace that root makes', () => {
    const edit = withHooks({ createContainer: [{ path: '/bin/true' }] }, (config) => {
      config.linux.namespaces.push({ type: 'user' });
      const ids = [{ containerID: 0, hostID: 1000, size: 1 }];
      Object.assign(config.linux, { uidMappings: ids, gidMappings: ids });
    });
    expect(compilePlan(request(edit, { idMapper: 'self' })).steps.some(({ op }) => op === 'hook')).toBe(true);
    expect(() => compilePlan(request(edit, { idMapper: 'root' }))).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', details: { field: 'hooks.createContainer' } }),
    );
  });
});

describe.skipIf(skipReason !== '')(`hooks that are run${skipNote}`, () => {
  let host: Host;
  let told: string;
  beforeAll(() => {
    host = new Host();
    told = join(host.folder, 'told');
  });
  afterAll(() => host.dispose());

  /** A hook of the host's that runs a script. */
  const script = (text: string, rest: Partial<OciHook> = {}): OciHook => {
    return { path: '/bin/sh', args: ['sh', '-c', text], env: ['PATH=/usr/bin:/bin'], ...rest };
  };
  const failure = async (hooks: OciHooks) => {
    const launcher = createLauncher();
    const made = host.request(['true'], withHooks(hooks));
    try {
      await using container = await launcher.launch(made);
      await container.release();
    } catch (error) {
      return { error: error as Error, stateDir: made.stateDir };
    }
    throw new Error('it did not fail');
  };

  it('of the host see its files, and the container’s namespaces with all that is mounted in its root', async () => {
    const text = [
      `exec > ${told}`,
      'cat',
      'echo',
      `cat ${host.folder}/bundle-of-nobody 2>&1 | cut -c 1-4`,
      'readlink /proc/self/ns/net',
      'readlink /proc/self/ns/mnt',
      'echo $$ $0 "$VAR"',
      'pwd',
      'umask',
    ].join('; ');
    const mark = script(`echo linked > ${join(host.folder, 'mount')}/etc/mark; ls ${join(host.folder, 'mount')}/dev`);
    const edit = withHooks({
      createContainer: [
        script(text, { args: ['sh', '-c', text, 'name'], env: ['PATH=/usr/bin:/bin', 'VAR=set'], timeout: 60 }),
        { ...mark, args: ['sh', '-c', `${mark.args?.[2]} > ${told}.dev`] },
      ],
    });
    const { stdout } = await host.run(
      ['sh', '-c', 'cat /etc/mark; readlink /proc/self/ns/net; readlink /proc/self/ns/mnt; env'],
      edit,
    );
    const [linked, ...seen] = stdout.trim().split('\n');
    expect(linked).toBe('linked');
    const [state = '', , ...rest] = readFileSync(told, 'utf8').trim().split('\n');
    const { id, bundle, ...others } = JSON.parse(state) as Record<string, unknown>;
    expect(others).toEqual({ ociVersion: '1.2.0', status: 'creating', pid: 1 });
    expect(bundle).toBe(join(host.folder, id as string));
    expect(JSON.parse(readFileSync(join(bundle as string, 'config.json'), 'utf8'))).toMatchObject({
      root: { path: join(host.folder, 'mount') },
    });
    expect(rest.slice(0, 2)).toEqual(seen.slice(0, 2));
    expect(rest.slice(2)).toEqual(['2 name set', '/', '0022']);
    expect(seen.slice(2)).not.toContain('VAR=set');
    expect(readFileSync(`${told}.dev`, 'utf8').split('\n')).toEqual(expect.arrayContaining(['null', 'pts', 'zero']));
  });

  it('of the container are its own programs, with no more privilege than the one after them', async () => {
    const status = 'grep -E "^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:)" /proc/self/status';
    const edit = withHooks(
      {
        startContainer: [
          { path: '/bin/sh', args: ['sh', '-c', `cat > /tmp/state; ${status} > /tmp/hook`], env: ['PATH=/bin'] },
        ],
      },
      (config) => {
        const few = ['CAP_CHOWN'];
        config.process.user = { uid: 1000, gid: 100, additionalGids: [7] };
        config.process.capabilities = { bounding: few, effective: [], permitted: few, inheritable: [], ambient: [] };
        config.process.noNewPrivileges = true;
        config.linux.seccomp = {
          defaultAction: 'SCMP_ACT_ALLOW',
          syscalls: [{ names: ['acct'], action: 'SCMP_ACT_ERRNO' }],
        };
        config.mounts.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: ['mode=1777'] });
      },
    );
    const { stdout } = await host.run(['sh', '-c', `cat /tmp/hook; echo; ${status}; echo; cat /tmp/state`], edit);
    const [hook = '', program, state = ''] = stdout.split('\n\n');
    expect(hook.split('\n')).toHaveLength(10);
    expect(hook).toBe(program);
    expect(hook).toContain('Seccomp:\t2');
    expect(JSON.parse(state)).toMatchObject({ status: 'created', pid: 1 });
  });

  it.each([
    [
      'exits with another code',
      script('echo one; echo two >&2; exit 3'),
      'ECANCELED',
      'exited with 3, saying one two ',
    ],
    ['is killed', script('kill -9 $$'), 'ECANCELED', 'killed by signal 9'],
    ['is not there', { path: '/not/there' }, 'ENOENT', 'execve'],
    ['is no program', { path: '/etc/passwd' }, 'EACCES', 'execve'],
    [
      'takes too long',
      script('echo slow; sleep 1000', { timeout: 1 }),
      'ETIMEDOUT',
      'not done after 1 s, saying slow ',
    ],
  ])('end the launch if one %s', async (_what, hook: OciHook, errno, call) => {
    const { error, stateDir } = await failure({
      createContainer: [script('true'), hook, script(`touch ${told}.never`)],
    });
    expect(error).toMatchObject({
      code: 'LAUNCH_FAILED',
      details: { name: 'hook', errno, path: hook.path, call: expect.stringContaining(call) as string },
    });
    expect(existsSync(`${told}.never`)).toBe(false);
    expect(readdirSync(stateDir)).toEqual([]);
  });

  it('of the container that fail end the launch, too', async () => {
    const { error } = await failure({ startContainer: [{ path: '/bin/false' }] });
    expect(error).toMatchObject({
      code: 'LAUNCH_FAILED',
      details: { name: 'hook', path: '/bin/false', errno: 'ECANCELED' },
    });
  });

  it('leave nothing running, and are not held up by what they leave', async () => {
    const mark = `hook-${process.pid}`;
    // It holds the pipe of its output open.
    const left = script(`sh -c 'sleep 1000; :' ${mark} & exec setsid sh -c 'sleep 1000; :' ${mark} & sleep 0.1`);
    await host.run(['true'], withHooks({ createContainer: [left] }));
    expect(processesCalled(mark)).toEqual([]);
    // Among the processes of the host: while the program of the container runs.
    const { stdout } = await host.run(
      ['sh', '-c', `cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '^[h]ook-${process.pid}$'`],
      withHooks({ createContainer: [script(`sh -c 'sleep 1000; :' ${mark} & true`)] }, (config) => {
        config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'pid');
      }),
    );
    expect(stdout).toBe('0\n');
    expect(processesCalled(mark)).toEqual([]);
  });

  it('can write more than a pipe holds, and close their streams', async () => {
    const noisy = script('head -c 300000 /dev/zero | tr "\\0" x; exec >&- 2>&-; sleep 0.2; exit 1');
    const { error } = await failure({ createContainer: [noisy] });
    expect((error as Error).message).toContain('exited with 1, saying xxxx');
  });

  it('are waited for without use of the processor', async () => {
    const mark = `quiet-${process.pid}`;
    const closing = script(`exec >&- 2>&-; sh -c 'sleep 0.6; :' ${mark}`);
    const running = host.run(['true'], withHooks({ createContainer: [closing] }));
    while (processesCalled(mark).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    // The hook's own shell, and whoever waits for that.
    const waiting = parentOf(parentOf(processesCalled(mark)[0] ?? 0));
    const before = ticksOf(waiting);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(ticksOf(waiting) - before).toBeLessThan(4);
    await running;
  });

  it('end with an aborted launch', async () => {
    const mark = `aborted-${process.pid}`;
    const made = host.request(
      ['true'],
      withHooks({ createContainer: [script(`touch ${told}.begun; sh -c 'sleep 1000; :' ${mark}`)] }),
    );
    const abort = new AbortController();
    const launching = createLauncher().launch(made, { signal: abort.signal });
    launching.catch(() => undefined);
    while (processesCalled(mark).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    abort.abort();
    await expect(launching).rejects.toMatchObject({ code: 'ABORTED' });
    expect(processesCalled(mark)).toEqual([]);
    expect(readdirSync(made.stateDir)).toEqual([]);
  });

  const crunMissing = spawnSync('crun', ['--version']).status !== 0;
  it.skipIf(crunMissing)(
    `are run by crun to the same effect${crunMissing ? ' (skipped: needs crun)' : ''}`,
    async () => {
      const text = (name: string) =>
        `cat > ${told}.${name}; env | grep -v ^_ >> ${told}.${name}; echo $$ >> ${told}.${name}`;
      const hooks = (name: string): OciHooks => ({
        createContainer: [script(text(name), { env: ['PATH=/usr/bin:/bin', 'VAR=set'] })],
        startContainer: [{ path: '/bin/sh', args: ['sh', '-c', 'cat > /tmp/state'], env: ['PATH=/bin'] }],
      });
      const tmp = (config: OciSpec) => config.mounts.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs' });
      const args = ['cat', '/tmp/state'];
      const { stdout } = await host.run(args, withHooks(hooks('ours'), tmp));

      const config = document();
      config.root.path = host.rootfs;
      config.process.args = args;
      config.process.env.push('HOME=/');
      withHooks(hooks('theirs'), tmp)(config);
      config.ociVersion = '1.0.2';
      const bundle = join(host.folder, 'bundle');
      mkdirSync(bundle, { recursive: true });
      writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
      const crunScript =
        'umount /sys/fs/cgroup/unified 2>/dev/null; exec crun --root "$0" --cgroup-manager=disabled run --bundle "$1" "$2"';
      const parameters = ['-m', 'sh', '-c', crunScript, join(host.folder, 'crun'), bundle, `hooks-${process.pid}`];
      const crun = spawnSync('unshare', parameters, { encoding: 'utf8' });
      expect(crun.stderr).toBe('');
      rmSync(join(host.folder, 'crun'), { recursive: true, force: true });

      // Where it is run, and the name of its status, are crun's own: the specification has later ones.
      const seen = (file: string) => {
        const [, state = '', rest = ''] = /^(\{.*?\})(.*)$/s.exec(file) ?? [];
        const keys = Object.keys(JSON.parse(state.replace(/\}?$/, '}')) as object);
        return { keys, rest: rest.split('\n').filter((line) => !line.startsWith('PWD=')) };
      };
      const theirs = seen(readFileSync(`${told}.theirs`, 'utf8'));
      const ours = seen(readFileSync(`${told}.ours`, 'utf8'));
      expect(ours.rest).toEqual(theirs.rest);
      expect(ours.rest).toContain('VAR=set');
      expect(theirs.keys).toEqual(expect.arrayContaining(ours.keys));
      expect(seen(crun.stdout).keys).toEqual(expect.arrayContaining(seen(stdout).keys));
    },
  );
});
