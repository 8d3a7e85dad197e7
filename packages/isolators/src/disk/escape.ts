/** Bytes. What is measured and what is charged differ a little while files grow. */
const tolerance = 2 ** 20;

/**
 * Whether files were taken out of a quota: more is used than the limit allows, and more than is charged for. All in bytes. A limit that was lowered below
 * what is used has the first alone.
 */
export function hasEscaped(of: { readonly used: number; readonly charged: number; readonly limit: number }): boolean {
  return of.used > of.limit + tolerance && of.used > of.charged + tolerance;
}
