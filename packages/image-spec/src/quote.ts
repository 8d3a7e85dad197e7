const longest = 80;

/** Foreign text as it may stand in a message: quoted, control characters escaped, cut to a readable length. */
export function quote(text: unknown): string {
  const whole = typeof text === 'string' ? text : String(text);
  return JSON.stringify(whole.length > longest ? `${whole.slice(0, longest)}…` : whole);
}
