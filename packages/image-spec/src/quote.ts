const longest = 80;

/** Foreign text as it may stand in a message: quoted, control characters escaped, cut to a readable length. */
export function quote(text: unknown): string {
  const whole = typeof text === 'string' ? text : nameOf(text);
  return JSON.stringify(whole.length > longest ? `${whole.slice(0, longest)}…` : whole);
}

/** A decoded JSON object has no prototype, so String() fails for it. */
function nameOf(value: unknown): string {
  return typeof value === 'object' ? Object.prototype.toString.call(value) : String(value);
}
