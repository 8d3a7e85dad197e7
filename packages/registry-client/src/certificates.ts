import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseRegistry } from '@gantry/image-spec';
import { errnoOf, GantryError, toGantryError } from '@gantry/interface';

/** Certificates for the connections to one host, as PEM. */
export interface RegistryCertificates {
  /** Authorities, trusted instead of Node.js's own and those in the option `ca`. */
  readonly ca?: readonly string[];
  /** The client's certificate, with its chain. */
  readonly cert?: string;
  readonly key?: string;
}

/** Certificates by the host, `host` or `host:port`, that a connection goes to; asked before every HTTPS request. */
export type CertificateSource = (
  host: string,
) => RegistryCertificates | undefined | Promise<RegistryCertificates | undefined>;

const longestFile = 1024 * 1024;

/**
 * Certificates in the layout of Docker's and Podman's certs.d: `<folder>/<host[:port]>/` with authorities in `*.crt` and a
 * client certificate in `client.cert` and `client.key`, or any other `*.cert` and `*.key` of one name. Read afresh for
 * every request, so that renewed ones count at once. `INVALID_ARGUMENT` if a certificate lacks its key.
 */
export function registryCertificates({ folder }: { readonly folder: string }): CertificateSource {
  return async (host) => {
    if (!isRegistryName(host)) return undefined;
    const place = join(folder, host);
    const names = (await namesIn(place)).sort();
    const ca = await Promise.all(names.filter((name) => name.endsWith('.crt')).map((name) => read(join(place, name))));
    const client = names.find((name) => name.endsWith('.cert'));
    if (client === undefined) return ca.length > 0 ? { ca } : undefined;
    const keyName = `${client.slice(0, -'.cert'.length)}.key`;
    if (!names.includes(keyName)) {
      throw new GantryError('INVALID_ARGUMENT', `${join(place, client)}: its key is missing: put it into ${keyName}`, {
        details: { field: 'certificates', path: join(place, keyName) },
      });
    }
    const [cert, key] = await Promise.all([read(join(place, client)), read(join(place, keyName))]);
    return { ...(ca.length > 0 && { ca }), cert, key };
  };
}

/** A redirect can lead to a host with any name, also one that would lead out of the folder. */
function isRegistryName(host: string): boolean {
  try {
    return parseRegistry(host) !== '';
  } catch {
    return false;
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw toGantryError(error, `certificates in ${folder}`);
  }
}

async function read(path: string): Promise<string> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > longestFile) {
      throw new GantryError('LIMIT_EXCEEDED', `${path}: ${size} bytes, more than the ${longestFile} allowed`, {
        details: { path, limit: longestFile },
      });
    }
    return await file.readFile('utf8');
  } catch (error) {
    throw toGantryError(error, path);
  }
}
