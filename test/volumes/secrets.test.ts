import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import type { Containerizer, ContainerSpec, EnteredProcess, SecretReference } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching, readOutput, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { mountAt } from './mountinfo.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

requires({ root: true, commands: ['grep'] })('secrets', () => {
  let host: TestHost;
  let containerizer: Containerizer;
  const token = `token-${randomBytes(16).toString('hex')}`;
  const binary = Buffer.concat([Buffer.from([0, 255, 10]), randomBytes(24)]);
  const values = new Map<string, string | Uint8Array>([
    ['token', token],
    ['binary', binary],
    ['nul', 'a\0b'],
  ]);
  const asked: string[] = [];
  const secrets = {
    async resolve({ name }: SecretReference) {
      asked.push(name);
      const value = values.get(name);
      if (value === undefined) throw new Error(`there is no ${name}`);
      return value;
    },
  };
  beforeAll(async () => {
    host = await startHost();
    // The image is in the store then.
    await host.run(sh('true'));
    containerizer = await open();
  });
  afterAll(async () => {
    for await (const { id } of containerizer.containers()) await containerizer.destroy(id);
    await containerizer[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
  });

  const open = () => createContainerizer({ root: host.root, stateRoot: join(host.root, 'state-of-secrets'), secrets });
  const launch = (spec: Partial<ContainerSpec>) => containerizer.launch({ image: host.image, ...spec });
  const output = async (process: EnteredProcess) => (await process.stdout.toArray()).join('');
  async function run(spec: Partial<ContainerSpec>) {
    const { id } = await launch(spec);
    await containerizer.wait(id);
    return readOutput(containerizer, id);
  }
  /** Files below the folders of a host program that hold these bytes. */
  function filesWith(bytes: string): string {
    const args = ['-rlaF', '--devices=skip', bytes, host.root, host.stateRoot];
    try {
      return execFileSync('grep', args, { encoding: 'utf8' });
    } catch (error) {
      if ((error as { status?: number }).status === 1) return '';
      throw error;
    }
  }

  it('are variables of the container, and of what is started in it, and nowhere on the disk', async () => {
    const { id, pid } = await launch({
      id: 'with-variable',
      ...sh('[ -n "$TOKEN" ] && echo started; exec sleep 600'),
      secretEnv: { TOKEN: { name: 'token' } },
      env: { PLAIN: 'plain-value-that-is-found' },
    });
    await outputMatching(containerizer, id, /started/);
    expect(execFileSync('cat', [`/proc/${pid}/environ`], { encoding: 'utf8' })).toContain(`TOKEN=${token}`);
    const entered = await containerizer.exec(id, sh('echo $TOKEN'));
    expect(await output(entered)).toBe(`${token}\n`);
    await entered[Symbol.asyncDispose]();
    const other = await containerizer.exec(id, { ...sh('echo $TOKEN'), env: { TOKEN: 'own' } });
    expect(await output(other)).toBe('own\n');
    await other[Symbol.asyncDispose]();
    expect(filesWith('plain-value-that-is-found')).not.toBe('');
    expect(filesWith(token)).toBe('');
  });

  it('are asked for again by the next host program', async () => {
    await containerizer[Symbol.asyncDispose]();
    containerizer = await open();
    expect((await containerizer.recover()).running).toContain('with-variable');
    const entered = await containerizer.exec('with-variable', sh('echo $TOKEN'));
    expect(await output(entered)).toBe(`${token}\n`);
    await entered[Symbol.asyncDispose]();
    await containerizer.destroy('with-variable');
    expect(filesWith(token)).toBe('');
  });

  it('are files in memory, of the mode and owner asked for, one or several', async () => {
    const { id, pid } = await launch({
      ...sh(
        'stat -c "%n %a:%u:%g" /run/secrets /run/secrets/* /etc/token; wc -c </run/secrets/bin; cat /etc/token; echo x >/run/secrets/new || echo ro; echo done; exec sleep 600',
      ),
      mounts: [
        {
          type: 'secret',
          target: '/run/secrets',
          files: { t: { name: 'token' }, bin: { name: 'binary' } },
          mode: 0o440,
          uid: 1000,
          gid: 2000,
        },
        { type: 'secret', target: '/etc/token', secret: { name: 'token' } },
      ],
    });
    await outputMatching(containerizer, id, /done/);
    const { stdout } = await readOutput(containerizer, id);
    // Of its own log no more than what it wrote there is asked.
    expect(stdout).toBe(
      `/run/secrets 755:1000:2000\n/run/secrets/bin 440:1000:2000\n/run/secrets/t 440:1000:2000\n/etc/token 400:0:0\n${binary.length}\n${token}ro\ndone\n`,
    );
    for (const point of ['/run/secrets', '/etc/token']) {
      const mount = mountAt(pid, point);
      expect(mount.type).toBe('ramfs');
      expect(mount.options).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev', 'noexec']));
    }
    const entered = await containerizer.exec(id, { command: ['/bin/cat', '/run/secrets/bin'] });
    expect(Buffer.concat(await entered.stdout.toArray())).toEqual(binary);
    await entered[Symbol.asyncDispose]();
    await containerizer.destroy(id);
    await containerizer.remove(id);
    expect(filesWith(token)).toBe('');
  });

  it('reach their owner alone', async () => {
    const mounts: ContainerSpec['mounts'] = [
      { type: 'secret', target: '/s', files: { a: { name: 'token' } }, uid: 1000, gid: 1000 },
    ];
    expect((await run({ ...sh('cat /s/a | wc -c'), user: '1000', mounts })).stdout).toBe(`${token.length}\n`);
    expect((await run({ ...sh('cat /s/a | wc -c'), user: '1001', mounts })).stdout).toBe('0\n');
  });

  it('are masked in the plan, which asks for none', async () => {
    asked.length = 0;
    const shown = JSON.stringify(
      await containerizer.plan({
        image: host.image,
        ...sh('true'),
        secretEnv: { TOKEN: { name: 'token' } },
        mounts: [{ type: 'secret', target: '/s', secret: { name: 'token' } }],
      }),
    );
    expect(shown).toContain('TOKEN=<secret>');
    expect(shown).not.toContain(token);
    expect(asked).toEqual([]);
  });

  it('end the launch if they cannot be had, with the reason and without a container', async () => {
    const refused = (spec: Partial<ContainerSpec>) =>
      launch({ ...sh('true'), ...spec }).then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(await refused({ secretEnv: { A: { name: 'absent' } } })).toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('there is no absent'),
      details: { isolator: 'environment_secret' },
    });
    expect(await refused({ secretEnv: { A: { name: 'nul' } } })).toMatchObject({ code: 'REFUSED' });
    expect(await refused({ secretEnv: { A: { name: 'token' } }, env: { A: 'x' } })).toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    values.set('large', randomBytes(600_000));
    expect(await refused({ mounts: [{ type: 'secret', target: '/s', secret: { name: 'large' } }] })).toMatchObject({
      code: 'REFUSED',
      details: { isolator: 'volume/secret' },
    });
    await expect(host.run({ ...sh('true'), secretEnv: { A: { name: 'token' } } })).rejects.toMatchObject({
      code: 'REFUSED',
      details: { isolator: 'environment_secret' },
    });
  });

  it('are in no error of a launch that fails', async () => {
    const error = await launch({ command: ['/no/such/program'], secretEnv: { A: { name: 'token' } } }).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ code: 'LAUNCH_FAILED' });
    const all = JSON.stringify(error, Object.getOwnPropertyNames(error));
    expect(all).not.toContain(token);
    expect(filesWith(token)).toBe('');
  });
});
