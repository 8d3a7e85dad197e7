import { invalidArchive } from './errors.js';
import { checkGlobalPax, type PaxRecords, parsePax } from './pax.js';
import type { TarEntryType, TarHeader, TarXattr } from './tar-entry.js';
import { type RawHeader, readDevice } from './tar-header.js';

const maxId = 2 ** 32 - 2;
const slash = 0x2f;
const nothing = Buffer.alloc(0);
const noXattrs: readonly TarXattr[] = [];
const noDevice = { major: 0, minor: 0 };

const entryTypes: ReadonlyMap<string, TarEntryType> = new Map([
  ['\0', 'file'],
  ['0', 'file'],
  ['7', 'file'],
  ['S', 'file'],
  ['1', 'hardlink'],
  ['2', 'symlink'],
  ['3', 'character'],
  ['4', 'block'],
  ['5', 'directory'],
  ['6', 'fifo'],
]);

/** True for the type flags of extended headers, which speak of the entry that follows. */
export function isExtension(flag: string): boolean {
  return flag === 'x' || flag === 'g' || flag === 'L' || flag === 'K';
}

/** The extended headers that wait for their entry: at most one of each kind. */
export class Extensions {
  #pax: PaxRecords | undefined;
  #longName: Buffer | undefined;
  #longLink: Buffer | undefined;

  get isEmpty(): boolean {
    return !this.#pax && !this.#longName && !this.#longLink;
  }

  /** Takes the body of an extended header. Throws `INVALID_ARCHIVE`. */
  add(flag: string, body: Buffer): void {
    if (flag === 'g') {
      checkGlobalPax(body);
    } else if (flag === 'x') {
      if (this.#pax) throw invalidArchive('two extended headers for one entry');
      this.#pax = parsePax(body);
    } else if (flag === 'L') {
      if (this.#longName) throw invalidArchive('two long names for one entry');
      this.#longName = longString(body);
    } else {
      if (this.#longLink) throw invalidArchive('two long link names for one entry');
      this.#longLink = longString(body);
    }
  }

  /** The entry that a header block and the waiting extensions make together; `size` is as stored. Nothing waits after it. */
  apply(block: Buffer, raw: RawHeader, flag: string): { header: TarHeader; sparse: PaxRecords['sparse'] } {
    const pax = this.#pax;
    const name = pickName('name', pax?.sparse?.name ?? pax?.path, this.#longName, raw.name);
    const isOldFolder = flag === '\0' && name[name.length - 1] === slash;
    const type = isOldFolder ? 'directory' : entryTypes.get(flag);
    if (!type) throw invalidArchive(`type flag ${JSON.stringify(flag)} is not supported`, name);
    const isLink = type === 'hardlink' || type === 'symlink';
    const linkName = isLink ? pickName('link name', pax?.linkPath, this.#longLink, raw.linkName, name) : nothing;
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;

    const size = pax?.size ?? raw.size;
    // Readers differ on whether a body follows here, so entries could be smuggled past one of them.
    if (type !== 'file' && size !== 0) throw invalidArchive(`a ${type} with a body of ${size} bytes`, name);
    if (type === 'file' && name[name.length - 1] === slash) throw invalidArchive('a file whose name ends in /', name);
    if (pax?.sparse && (type !== 'file' || flag === 'S')) throw invalidArchive('a sparse map where none can be', name);

    const isDevice = type === 'character' || type === 'block';
    const device = isDevice ? readDevice(block, name) : noDevice;
    const header: TarHeader = {
      name,
      type,
      linkName,
      size,
      mode: raw.mode,
      uid: checkId(pax?.uid ?? raw.uid, 'uid', name),
      gid: checkId(pax?.gid ?? raw.gid, 'gid', name),
      mtimeSeconds: pax?.mtimeSeconds ?? raw.mtime,
      mtimeNanoseconds: pax?.mtimeNanoseconds ?? 0,
      devMajor: device.major,
      devMinor: device.minor,
      xattrs: pax?.xattrs ?? noXattrs,
    };
    return { header, sparse: pax?.sparse };
  }
}

function checkId(id: number, field: string, name: Buffer): number {
  // 2^32 - 1 means "leave it" to chown(2), so the entry would keep another owner than it states.
  if (id < 0 || id > maxId) throw invalidArchive(`${field} ${id} is out of range`, name);
  return id;
}

/** A GNU long name: ended by a NUL, with nothing else behind it. */
function longString(body: Buffer): Buffer {
  const end = body.indexOf(0);
  if (end < 0) return body;
  for (let i = end; i < body.length; i++) if (body[i] !== 0) throw invalidArchive('a long name has a NUL in it');
  return body.subarray(0, end);
}

/** Chooses among what the PAX header, the GNU header and the entry's own header say. */
function pickName(what: string, pax: Buffer | undefined, gnu: Buffer | undefined, own: Buffer, entry?: Buffer): Buffer {
  if (pax && gnu) throw invalidArchive(`the ${what} is given both as PAX and as GNU extension`, entry ?? pax);
  const chosen = pax ?? gnu ?? own;
  if (chosen.length === 0) throw invalidArchive(`an empty ${what}`, entry);
  return chosen;
}
