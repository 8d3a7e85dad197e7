import { open } from 'node:fs/promises';
import { decodeJson, type JsonObject, type JsonValue } from '@gantry/image-spec';
import { type Credentials, errnoOf, GantryError, isGantryError, toGantryError } from '@gantry/interface';

/** The logins of one file: Docker's config.json, or containers-auth.json, which has the same form. */
export interface DockerConfig {
  readonly path: string;
  readonly auths: ReadonlyMap<string, Credentials>;
  /** Names of credential helpers by registry. */
  readonly credHelpers: ReadonlyMap<string, string>;
  /** The credential helper for all other registries. */
  readonly credsStore: string | undefined;
}

const longestFile = 4 * 1024 * 1024;

/**
 * Reads a login file; undefined if there is none. `INVALID_DOCUMENT` with the path of the fault, and never with anything
 * of the content.
 */
export async function readDockerConfig(path: string): Promise<DockerConfig | undefined> {
  const bytes = await readFileAt(path);
  if (bytes === undefined) return undefined;
  const root = decode(path, bytes);
  const fields = objectAt(path, '$', root);
  const credsStore = fields['credsStore'];
  if (credsStore !== undefined && typeof credsStore !== 'string') throw invalid(path, '$.credsStore', 'want a string');
  return {
    path,
    auths: mapAt(path, '$.auths', fields['auths'], readAuth),
    credHelpers: mapAt(path, '$.credHelpers', fields['credHelpers'], readName),
    credsStore: credsStore || undefined,
  };
}

async function readFileAt(path: string): Promise<Uint8Array | undefined> {
  try {
    await using file = await open(path);
    const stat = await file.stat();
    if (!stat.isFile()) throw invalid(path, '$', 'not a regular file');
    if (stat.size > longestFile) throw invalid(path, '$', `${stat.size} bytes, more than ${longestFile}`);
    return await file.readFile();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw toGantryError(error, `login file ${path}`);
  }
}

function decode(path: string, bytes: Uint8Array): JsonValue {
  try {
    return decodeJson(bytes, { what: path });
  } catch (error) {
    // Its message may quote what stands at the fault, and so may whatever caused it.
    const at = isGantryError(error) ? error.details['path'] : undefined;
    throw invalid(path, typeof at === 'string' ? at : '$', 'not valid JSON');
  }
}

/** One entry of `auths`. An empty one says that there is a login elsewhere: it gives none. */
function readAuth(path: string, at: string, value: JsonValue): Credentials | undefined {
  const fields = objectAt(path, at, value);
  const text = (name: string): string | undefined => {
    const given = fields[name];
    if (given === undefined || given === null || given === '') return undefined;
    if (typeof given !== 'string') throw invalid(path, `${at}.${name}`, 'want a string');
    return given;
  };
  const auth = text('auth');
  const login = auth === undefined ? [text('username'), text('password')] : decodeAuth(path, `${at}.auth`, auth);
  const [username, password] = login;
  const identityToken = text('identitytoken');
  const registryToken = text('registrytoken');
  if ([username, identityToken, registryToken].every((part) => part === undefined)) return undefined;
  return {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(identityToken !== undefined && { identityToken }),
    ...(registryToken !== undefined && { registryToken }),
  };
}

/** `user:password` in base 64; some versions of Docker padded it with NULs. */
function decodeAuth(path: string, at: string, auth: string): [string, string] {
  const login = Buffer.from(auth, 'base64').toString().replace(/\0+$/, '');
  const colon = login.indexOf(':');
  const isBase64 = /^[A-Za-z0-9+/]+={0,2}$/.test(auth);
  if (!isBase64 || colon < 1) throw invalid(path, at, 'want user:password in base 64');
  return [login.slice(0, colon), login.slice(colon + 1)];
}

function readName(path: string, at: string, value: JsonValue): string | undefined {
  if (typeof value === 'string') return value || undefined;
  throw invalid(path, at, 'want a string');
}

function mapAt<T>(
  path: string,
  at: string,
  value: JsonValue | undefined,
  read: (path: string, at: string, value: JsonValue) => T | undefined,
): ReadonlyMap<string, T> {
  const found = new Map<string, T>();
  if (value === undefined || value === null) return found;
  for (const [key, entry] of Object.entries(objectAt(path, at, value))) {
    const result = read(path, `${at}[${JSON.stringify(key)}]`, entry ?? null);
    if (result !== undefined) found.set(key, result);
  }
  return found;
}

function objectAt(path: string, at: string, value: JsonValue): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  throw invalid(path, at, 'want an object');
}

function invalid(path: string, at: string, reason: string): GantryError {
  return new GantryError('INVALID_DOCUMENT', `login file ${path}: ${at}: ${reason}`, {
    details: { file: path, path: at },
  });
}
