import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function run(program: string, args: readonly string[]): Buffer {
  const { status, stdout, stderr } = spawnSync(program, args, { maxBuffer: 64 * 1024 * 1024 });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** An archive, by GNU tar, of what a shell script makes in an empty folder. */
export async function archive(script: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-archive-'));
  try {
    run('sh', ['-ec', `cd ${folder}; ${script}`]);
    return run('tar', ['-C', folder, '-c', ...(await readdir(folder))]);
  } finally {
    await rm(folder, { recursive: true });
  }
}
