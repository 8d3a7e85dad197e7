export function isOpaque(_path: Buffer): boolean {
  return false;
}
