import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { GantryError } from '@gantry/interface';
import { extract, type Header } from 'tar-stream';
import type { LayerEntry, StreamedFile } from '../image/layer-entry.js';
import { commandError } from './command.js';

/** Top-level folders that are links into usr/, as on an installed Debian. */
export const mergedFolders: readonly string[] = ['bin', 'sbin', 'lib', 'lib64'];

/** Streams the entries of a package file, in its order, at their merged-/usr places. Each must be used before the next is asked for. */
export async function* packageFiles(path: string): AsyncIterable<LayerEntry | StreamedFile> {
  const dpkg = spawn('dpkg-deb', ['--fsys-tarfile', path], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(dpkg, 'close');
  // Awaited below; a failure to start must not be unhandled until then.
  ended.catch(() => undefined);
  let stderr = '';
  dpkg.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  try {
    for await (const entry of dpkg.stdout.pipe(extract())) {
      // tar-stream's types leave open what its streams are made of: bytes.
      yield toLayerEntry(entry.header, entry as AsyncIterable<Uint8Array>);
      entry.resume();
    }
    const [status] = await ended.catch((error) => Promise.reject(commandError('dpkg-deb', error)));
    if (status !== 0)
      throw new GantryError(
        'INVALID_ARCHIVE',
        `dpkg-deb ${path}: ${stderr.trim()}; remove the file to have it fetched again`,
      );
  } finally {
    dpkg.kill();
  }
}

function toLayerEntry(header: Header, content: AsyncIterable<Uint8Array>): LayerEntry | StreamedFile {
  const common = {
    path: mergedPath(header.name),
    mode: header.mode,
    uid: header.uid,
    gid: header.gid,
    mtime: Math.floor(header.mtime.getTime() / 1000),
  };
  switch (header.type) {
    case 'directory':
      return { ...common, type: 'directory' };
    case 'symlink':
      return { ...common, type: 'symlink', target: header.linkname };
    case 'link':
      return { ...common, type: 'hardlink', target: mergedPath(header.linkname) };
    case 'file':
      return { ...common, type: 'stream', size: header.size, content };
    default:
      throw new GantryError('UNSUPPORTED', `package entry ${header.name}: type ${header.type} is not for images`);
  }
}

/** `./lib/x` becomes `usr/lib/x`; the root itself the empty text. */
function mergedPath(name: string): string {
  const path = name
    .replace(/^\.?\/+/, '')
    .replace(/\/+$/, '')
    .replace(/^\.$/, '');
  const [first = ''] = path.split('/');
  return mergedFolders.includes(first) ? `usr/${path}` : path;
}
