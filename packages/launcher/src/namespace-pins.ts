import { rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { errnoOf, type NamespacePins, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';

/**
 * Network namespaces, kept by mounts over empty files; they go with the boot, the files stay. An ordinary user, who may not mount, has
 * links to those of the processes: they lead to nothing once the process is gone.
 */
export function createNamespacePins(): NamespacePins {
  return process.geteuid?.() === 0 ? { pin, unpin } : { pin: link, unpin: unlink };
}

async function pin(path: string, pid: number): Promise<void> {
  try {
    writeFileSync(path, '', { mode: 0o400 });
    await addon().bindMount(`/proc/${pid}/ns/net`, path);
  } catch (error) {
    throw toGantryError(error, `keeping the network namespace of process ${pid} at ${path}`);
  }
}

async function unpin(path: string): Promise<void> {
  try {
    await addon().unmount(path);
  } catch (error) {
    // Of EINVAL it is that nothing is mounted there.
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'EINVAL') {
      throw toGantryError(error, `letting go of the network namespace at ${path}`);
    }
  }
  // Where other programs have copies of the mount, it ends with the file there, too.
  rmSync(path, { force: true });
}

async function link(path: string, pid: number): Promise<void> {
  try {
    symlinkSync(`/proc/${pid}/ns/net`, path);
  } catch (error) {
    throw toGantryError(error, `linking to the network namespace of process ${pid} at ${path}`);
  }
}

async function unlink(path: string): Promise<void> {
  rmSync(path, { force: true });
}
