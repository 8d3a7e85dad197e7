/** One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1). Scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const longestHeader = 8192;
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** Either a parameter, quoted or bare, or the name of a scheme. */
const piece = new RegExp(
  `[\\s,]*(?:(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s,"]+))|(${token})(?![^\\s,]|\\s*=))`,
  'y',
);

/** Reads every challenge of a header; stops, without an error, at what it cannot read. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  const text = header.slice(0, longestHeader);
  piece.lastIndex = 0;
  for (let match = piece.exec(text); match; match = piece.exec(text)) {
    const [, name, quoted, bare, scheme] = match;
    if (scheme !== undefined) challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    else if (name !== undefined) {
      challenges.at(-1)?.parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '');
    }
  }
  return challenges;
}
