import { GantryError, type ImageSource, type ImportOptions, throwIfAborted } from '@gantry/interface';
import type { StoreParts } from '../store-parts.js';
import { importAci, importAppc } from './appc-image.js';
import { ArchiveFiles } from './archive-files.js';
import { importDirectory } from './directory.js';
import { importDockerArchive } from './docker-archive.js';
import { FolderFiles } from './folder-files.js';
import { ImportContext, type ImportedImage } from './import-context.js';
import { importLayout } from './oci-image.js';
import type { SourceFiles } from './source-files.js';

/**
 * Brings the blobs of an image that is in no registry into the store, all of them or none; `top` is what its reference
 * is to stand for. `resolved` is reported before the layers are copied where the source tells their digests, else after.
 */
export async function importImage(
  source: ImageSource,
  options: ImportOptions,
  parts: StoreParts,
): Promise<ImportedImage> {
  const what = `import of ${nameOf(source)}`;
  throwIfAborted(options.signal, what);
  const context = new ImportContext(options, parts);
  await using staged = context.staged;
  context.report({ type: 'resolving', reference: nameOf(source) });
  const imported = await readSource(source, context);
  for (const { descriptor } of imported.image.layers) {
    if (await staged.has(descriptor)) continue;
    throw new GantryError(
      'INVALID_ARCHIVE',
      `${what}: two layers lie in one file, of which ${descriptor.digest} is none`,
    );
  }
  throwIfAborted(options.signal, what);
  await staged.commit();
  return imported;
}

async function readSource(source: ImageSource, context: ImportContext): Promise<ImportedImage> {
  switch (source.type) {
    case 'docker-archive':
      return withFiles(await ArchiveFiles.open(source.path, context.signal), (files) =>
        importDockerArchive(files, source.reference, context),
      );
    case 'oci-archive':
      return withFiles(await ArchiveFiles.open(source.path, context.signal), (files) =>
        importLayout(files, source.reference, context),
      );
    case 'directory':
      return importDirectory(source.path, source.config, context);
    case 'oci-layout':
      return withFiles(new FolderFiles(source.path, context.signal), (files) =>
        importLayout(files, source.reference, context),
      );
    case 'aci':
      return importAci(source.path, context);
    case 'appc':
      return importAppc(source.name, source.labels ?? new Map(), context);
    default:
      throw new GantryError('INVALID_ARGUMENT', 'import: the source is of an unknown type', {
        details: { field: 'source.type' },
      });
  }
}

async function withFiles(
  files: SourceFiles,
  use: (files: SourceFiles) => Promise<ImportedImage>,
): Promise<ImportedImage> {
  await using open = files;
  return await use(open);
}

function nameOf(source: ImageSource): string {
  return source.type === 'appc' ? source.name : source.path;
}
