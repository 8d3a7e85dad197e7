const label = '[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?';

/** A DNS name of at most 253 characters, then what is like a label, with dots and underscores too. */
export const kindPattern = new RegExp(
  `^(?=[^/]{1,253}/)${label}(\\.${label})*/[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$`,
);

/** Of a device within its kind. MIG devices of NVIDIA's have a colon in theirs. */
export const devicePattern = /^[a-zA-Z0-9]([-_.:a-zA-Z0-9]*[a-zA-Z0-9])?$/;

/** A device's fully qualified name in its parts; undefined for what is none. */
export function parseCdiName(name: string): { readonly kind: string; readonly device: string } | undefined {
  const at = name.indexOf('=');
  const [kind, device] = [name.slice(0, at), name.slice(at + 1)];
  return at > 0 && kindPattern.test(kind) && devicePattern.test(device) ? { kind, device } : undefined;
}
