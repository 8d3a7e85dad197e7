import { rmSync, writeFileSync } from 'node:fs';
import { errnoOf, type NamespacePins, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';

/** Network namespaces, kept by mounts over empty files; they go with the boot, the files stay. */
export function createNamespacePins(): NamespacePins {
  return { pin, unpin };
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
