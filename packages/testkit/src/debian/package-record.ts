/** A version of a Debian package, as the archive describes it. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  /** Hex SHA-256 of the package file. */
  readonly sha256: string;
  /** Each a list of alternatives, by name; of Pre-Depends and Depends. */
  readonly depends: readonly (readonly string[])[];
  /** Virtual packages. */
  readonly provides: readonly string[];
}

/** Reads the paragraphs that `apt-cache show` prints. deb-control(5). */
export function parseRecords(text: string): PackageRecord[] {
  return text
    .split(/\n{2,}/)
    .map(parseFields)
    .filter((fields) => fields.has('Package'))
    .map((fields) => ({
      name: fields.get('Package') ?? '',
      version: fields.get('Version') ?? '',
      sha256: fields.get('SHA256') ?? '',
      depends: [...relations(fields.get('Pre-Depends')), ...relations(fields.get('Depends'))],
      provides: relations(fields.get('Provides')).flat(),
    }));
}

function parseFields(paragraph: string): Map<string, string> {
  const lines = paragraph.matchAll(/^([A-Za-z][\w-]*):[ \t]*(.*(?:\n[ \t].*)*)/gm);
  return new Map(Array.from(lines, ([, key = '', value = '']) => [key, value]));
}

/** `a (>= 1) | b:any, c` becomes [[a, b], [c]]: versions of one archive fit each other. */
function relations(field = ''): string[][] {
  return field
    .split(',')
    .map((group) => group.split('|').map((one) => /^\s*([a-z0-9][a-z0-9.+-]*)/.exec(one)?.[1] ?? ''))
    .filter((group) => group[0] !== '');
}
