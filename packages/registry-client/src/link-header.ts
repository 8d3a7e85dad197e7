const longestHeader = 8192;
/** One link: `<target>` and what follows up to the next comma outside quotes (RFC 8288, 3). */
const link = /[\s,]*<([^<>]*)>((?:[^",<>]|"(?:[^"\\]|\\.)*")*)/y;
const isNext = /;\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next)\s*(?:;|$)/i;

/** The target of the link with relation `next`; undefined if there is none that can be read. */
export function nextLink(header: string | undefined): string | undefined {
  const text = (header ?? '').slice(0, longestHeader);
  link.lastIndex = 0;
  for (let match = link.exec(text); match; match = link.exec(text)) {
    const [, target = '', parameters = ''] = match;
    if (isNext.test(parameters.trimEnd())) return target;
  }
  return undefined;
}
