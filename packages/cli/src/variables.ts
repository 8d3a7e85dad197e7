/** `NAME=value` arguments as an environment. As other runtimes do, a name alone passes the caller's own value on. */
export function parseVariables(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const equals = text.indexOf('=');
      return equals < 0 ? [text, process.env[text] ?? ''] : [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}
