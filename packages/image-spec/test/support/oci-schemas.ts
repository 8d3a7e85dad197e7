import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import AjvDraft04 from 'ajv-draft-04';
import formats from 'ajv-formats';

/** Where the specification's own schemas are: as Debian's golang-github-opencontainers-image-spec-dev has them, or elsewhere. */
const folder = process.env['OCI_IMAGE_SCHEMAS'] ?? '/usr/share/gocode/src/github.com/opencontainers/image-spec/schema';

const files = [
  'config-schema.json',
  'content-descriptor.json',
  'defs-descriptor.json',
  'defs.json',
  'image-index-schema.json',
  'image-layout-schema.json',
  'image-manifest-schema.json',
];

export const hasOciSchemas = files.every((file) => existsSync(join(folder, file)));

/** Gives a judge of documents by one of the schemas, e.g. `config-schema.json`. */
export function ociSchemas(): (file: string) => (document: unknown) => boolean {
  const ajv = new AjvDraft04.default({ strict: false });
  formats.default(ajv);
  for (const file of files) ajv.addSchema(readSchema(file), file);
  return (file) => {
    const validate = ajv.getSchema(file);
    if (!validate) throw new Error(`no schema ${file}`);
    return (document) => validate(document) === true;
  };
}

/** The references between the schemas are by file name; the names that they give their parts are not all different. */
function readSchema(file: string): object {
  return JSON.parse(readFileSync(join(folder, file), 'utf8'), (key, value) =>
    key === 'id' || key === '$schema' ? undefined : value,
  );
}
