const longest = 4096;
const longestPart = 255;
/** What no tool writes into such a name, and some system reads as something else. */
const forbidden = /[\p{Cc}\\]/u;

/**
 * The name of an archive's entry as a stranger's document gives it: relative, with single slashes. Undefined for one that
 * is empty, absolute, climbs with `..`, is too long, or has control characters or backslashes.
 */
export function normalArchivePath(text: string): string | undefined {
  if (text.length > longest || text.startsWith('/') || forbidden.test(text)) return undefined;
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.length === 0 || parts.some((part) => part === '..' || part.length > longestPart)) return undefined;
  return parts.join('/');
}
