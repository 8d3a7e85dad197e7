import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { startHost, type TestHost } from './host.js';

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** What this process has open. */
const openDescriptors = async () =>
  Promise.all((await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));

/** What is open now and was not before, of which others, as threads that end, may have closed something. */
const openedSince = async (before: readonly string[]) => {
  const left = [...before];
  return (await openDescriptors()).filter((target) => {
    const at = left.indexOf(target);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
};

requires({ root: true })('copying files', () => {
  let host: TestHost;
  let id: string;
  let folder: string;
  const volume = (...parts: string[]) => join(folder, 'volume', ...parts);

  beforeAll(async () => {
    host = await startHost();
    folder = await mkdtemp(join(tmpdir(), 'gantry-copy-'));
    for (const name of ['volume', 'readonly', 'outside', 'tree/sub'])
      await mkdir(join(folder, name), { recursive: true });
    await writeFile(volume('kept'), 'of the volume');
    await writeFile(join(folder, 'outside', 'secret'), 'of the host');
    await writeFile(join(folder, 'tree', 'file'), 'hello\n');
    await chmod(join(folder, 'tree', 'file'), 0o640);
    await symlink('../file', join(folder, 'tree/sub/link'));
    const { image } = host;
    ({ id } = await host.containerizer.launch({
      image,
      command: ['/bin/sleep', '100000'],
      mounts: [
        { type: 'bind', source: volume(), target: '/volume' },
        { type: 'bind', source: join(folder, 'readonly'), target: '/readonly', readonly: true },
        { type: 'tmpfs', target: '/scratch' },
      ],
    }));
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  const tar = (...names: string[]) =>
    execFileSync('tar', ['-C', folder, '--owner=7', '--group=8', '--numeric-owner', '-cf', '-', ...names]);

  async function said(command: string): Promise<string> {
    await using entered = await host.containerizer.exec(id, { command: ['/bin/sh', '-c', command] });
    entered.stdin.end();
    return await text(entered.stdout);
  }

  it('in: the container sees what tar packed, as tar packed it', async () => {
    await host.containerizer.copyIn(id, '/scratch', once(tar('tree')));
    expect(await said('cd /scratch/tree; cat file sub/link; stat -c "%a %u %g" file')).toBe('hello\nhello\n640 7 8\n');
  });

  it('out: tar unpacks what the container has, names beginning with the last part', async () => {
    await said(
      'mkdir -p /made/sub; echo one >/made/sub/one; ln -s sub/one /made/two; ln /made/sub/one /made/three; chown 5:6 /made/sub',
    );
    const archive = await collect(host.containerizer.copyOut(id, '/made'));
    const listed = execFileSync('tar', ['--numeric-owner', '-tvf', '-'], { input: archive, encoding: 'utf8' });
    expect(listed.split('\n').map((line) => line.replace(/ +\d+ \d{4}-\S+ \S+/, ''))).toEqual([
      'drwxr-xr-x 0/0 made/',
      'drwxr-xr-x 5/6 made/sub/',
      '-rw-r--r-- 0/0 made/sub/one',
      'hrw-r--r-- 0/0 made/three link to made/sub/one',
      'lrwxrwxrwx 0/0 made/two -> sub/one',
      '',
    ]);
    expect(execFileSync('tar', ['-xOf', '-', 'made/sub/one'], { input: archive, encoding: 'utf8' })).toBe('one\n');
  });

  it('goes where the container goes: over its mounts and links, and not where it may not', async () => {
    const { containerizer } = host;
    await said('ln -s /volume/into /scratch/link; mkdir /volume/into');
    await containerizer.copyIn(id, '/scratch/link', once(tar('tree/file')));
    expect(await readFile(volume('into/tree/file'), 'utf8')).toBe('hello\n');
    expect((await collect(containerizer.copyOut(id, '/volume/kept'))).includes('of the volume')).toBe(true);
    await expect(containerizer.copyIn(id, '/readonly', once(tar('tree')))).rejects.toMatchObject({
      code: 'SYSTEM',
      details: { errno: 'EROFS' },
    });
    // A mount, and what is in it, stays, whatever has its name in the archive.
    const file = execFileSync('tar', ['-C', folder, '--transform', 's,.*,volume,', '-cf', '-', 'tree/file']);
    await expect(containerizer.copyIn(id, '/', once(file))).rejects.toMatchObject({ code: 'WRONG_STATE' });
    expect(await said('cat /volume/kept')).toBe('of the volume');
  });

  it('never leaves the root, whatever the container does meanwhile', async () => {
    const { containerizer } = host;
    const outside = join(folder, 'outside');
    await mkdir(join(folder, 'many/d'), { recursive: true });
    for (let i = 0; i < 200; i++) await writeFile(join(folder, `many/d/${i}`), 'written');
    const archive = execFileSync('tar', ['-C', join(folder, 'many'), '-cf', '-', 'd']);
    const swap = `cd /scratch; mkdir real; echo inside >real/secret; ln -s ../../../../../../..${outside} false; echo ready
      while :; do mv real d; mv d real; mv false d; mv d false; done`;
    await using swapper = await containerizer.exec(id, { command: ['/bin/sh', '-c', swap] });
    await new Promise<void>((resolve) => swapper.stdout.once('data', () => resolve()));
    let copied = 0;
    for (let turn = 0; turn < 20; turn++) {
      await containerizer.copyIn(id, '/scratch', once(archive)).then(
        () => copied++,
        (error: unknown) => expect(error).toMatchObject({ code: 'WRONG_STATE' }),
      );
      await collect(containerizer.copyOut(id, '/scratch')).then(
        (bytes) => expect(bytes.includes('of the host')).toBe(false),
        (error: unknown) => expect(error).toMatchObject({ code: 'WRONG_STATE' }),
      );
    }
    expect(await readdir(outside)).toEqual(['secret']);
    expect(copied).toBeGreaterThan(0);
  });

  it('says what is not there, and what has ended, and keeps nothing open', async () => {
    const { containerizer, image } = host;
    const before = await openDescriptors();
    await expect(containerizer.copyIn(id, '/none', once(tar('tree')))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      details: { path: '/none' },
    });
    await expect(collect(containerizer.copyOut(id, '/none'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(collect(containerizer.copyOut('nobody', '/bin'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const controller = new AbortController();
    const stalled = (async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      yield tar('tree').subarray(0, 700);
      controller.abort();
      await new Promise(() => undefined);
    })();
    await expect(containerizer.copyIn(id, '/scratch', stalled, controller)).rejects.toMatchObject({ code: 'ABORTED' });
    for await (const piece of containerizer.copyOut(id, '/bin')) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    expect(await openedSince(before)).toEqual([]);

    const short = await containerizer.launch({ image, command: ['/bin/sleep', '100000'] });
    const reading = containerizer.copyOut(short.id, '/bin/busybox')[Symbol.asyncIterator]();
    expect((await reading.next()).done).toBe(false);
    // What is being read is read to its end.
    await containerizer.destroy(short.id);
    while (!(await reading.next()).done);
    await expect(containerizer.copyIn(short.id, '/', once(tar('tree')))).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await expect(collect(containerizer.copyOut(short.id, '/bin'))).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });
});
