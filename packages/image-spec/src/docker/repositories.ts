import { decodeJson } from '../json/decode-json.js';
import { invalidDocument, JsonFields } from '../json/json-fields.js';
import { memberPath } from '../json/json-path.js';
import { quote } from '../quote.js';
import { readRepoTag } from './repo-tag.js';
import { isV1Id } from './v1-image.js';

const what = 'docker-archive repositories';

/**
 * Reads `repositories` of an old `docker save` archive, at most 4 MiB: the id of the topmost layer folder by canonical
 * reference. `INVALID_DOCUMENT` with the JSON path of the fault: a name that is no reference, an id that is not 64
 * lower-case hex digits, two spellings of one reference. Docker image specification 1.
 */
export function parseDockerRepositories(bytes: Uint8Array): ReadonlyMap<string, string> {
  const ids = new Map<string, string>();
  const repositories = new JsonFields(what, '$', decodeJson(bytes, { what }), []);
  for (const repository of Object.keys(repositories.raw)) {
    const path = memberPath('$', repository);
    const tags = new JsonFields(what, path, repositories.raw[repository], []);
    for (const [tag, id] of Object.entries(tags.raw)) {
      const at = memberPath(path, tag);
      const reference = readRepoTag(`${repository}:${tag}`);
      if (reference === undefined) throw invalidDocument(what, at, 'the keys are no repository and tag');
      if (ids.has(reference)) throw invalidDocument(what, at, `${reference} is there twice`);
      if (typeof id !== 'string' || !isV1Id(id)) {
        throw invalidDocument(what, at, `${quote(id)} is not 64 lower-case hex digits`);
      }
      ids.set(reference, id);
    }
  }
  return ids;
}
