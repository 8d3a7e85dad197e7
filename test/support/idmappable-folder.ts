import { idmapObstacle } from '@gantry/native';
import { loopFilesystem } from './loop-filesystem.js';
import { type TemporaryFolder, temporaryFolder } from './temporary-folder.js';

/** A new folder that can be seen through other ids: a temporary one where that can, as a tmpfs from Linux 6.3 on, else a file system. */
export async function idmappableFolder(): Promise<TemporaryFolder> {
  const folder = await temporaryFolder();
  if ((await idmapObstacle(folder.path, false)) === undefined) return folder;
  await folder[Symbol.asyncDispose]();
  const filesystem = loopFilesystem('ext4');
  return { path: filesystem.path, [Symbol.asyncDispose]: async () => filesystem[Symbol.dispose]() };
}
