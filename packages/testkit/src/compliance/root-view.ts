import { execFile } from 'node:child_process';
import type { Rootfs } from '@gantry/interface';

const maxOutputBytes = 64 * 1024 * 1024;

/**
 * Mounts a root as a launcher would, in a mount namespace that ends with the script, runs a shell script with the root
 * as its current folder and resolves with what it wrote, a character for a byte. Rejects if it fails. Needs root, and
 * util-linux.
 */
export function inRoot({ path, mount }: Pick<Rootfs, 'path' | 'mount'>, script: string): Promise<string> {
  return shell(`${mountCommands(mount, path)}\ncd ${quote(path)}\n${script}`, ['unshare', '--mount']);
}

/** Runs a shell script that ends at its first failure. */
export function shell(script: string, prefix: readonly string[] = []): Promise<string> {
  const [program = 'sh', ...args] = [...prefix, 'sh', '-euc', script];
  return new Promise((resolve, reject) => {
    const options = { env: { ...process.env, LC_ALL: 'C' }, maxBuffer: maxOutputBytes, encoding: 'latin1' } as const;
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error) reject(new Error(`${error.message}\n${stderr}`, { cause: error }));
      else resolve(stdout);
    });
  });
}

/** A word that the shell leaves as it is. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function mountCommands(mount: Rootfs['mount'], target: string): string {
  if (mount.type === 'directory') {
    const bind = `mount --bind ${quote(mount.source)} ${quote(target)}`;
    return mount.readonly ? `${bind}\nmount -o remount,bind,ro ${quote(target)}` : bind;
  }
  const lower = [...mount.lower].reverse().map(escapeOption).join(':');
  const folders = `lowerdir=${lower},upperdir=${escapeOption(mount.upper)},workdir=${escapeOption(mount.work)}`;
  return `mount -t overlay -o ${quote(folders + (mount.userxattr ? ',userxattr' : ''))} overlay ${quote(target)}`;
}

/** A comma or colon would end the name. */
function escapeOption(path: string): string {
  return path.replace(/[\\:,]/g, '\\$&');
}
