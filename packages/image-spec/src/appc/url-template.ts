const longest = 8192;

/**
 * Fills in the variables, `{name}`, of a URL template. Values are percent-encoded, but for the slashes of `{name}`.
 * Undefined for a template with a variable that has no value, and for one that makes no https URL: other schemes,
 * credentials and fragments have no place in discovery.
 */
export function expandTemplate(template: string, values: ReadonlyMap<string, string>): string | undefined {
  if (template.length > longest) return undefined;
  let complete = true;
  const text = template.replace(/\{([^{}]*)\}/g, (variable, key: string) => {
    const value = values.get(key);
    if (value === undefined) complete = false;
    else return key === 'name' ? value : encodeURIComponent(value);
    return variable;
  });
  return complete ? httpsUrl(text) : undefined;
}

/** The normal form of an https URL without credentials and fragment; undefined for anything else. */
export function httpsUrl(text: string): string | undefined {
  if (text.length > longest || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isPlain = url.protocol === 'https:' && url.username === '' && url.password === '' && url.hash === '';
  return isPlain ? url.href : undefined;
}
