import * as is from './fields.js';

const path = is.object({ path: is.absolutePath, allow: is.list(is.oneOf('read', 'write', 'execute')) }, [
  'path',
  'allow',
]);

const rules = is.object({
  paths: is.list(path),
  tcp: is.object({ bind: is.list(is.integer(0, 65_535)), connect: is.list(is.integer(1, 65_535)) }),
  scopes: is.list(is.oneOf('abstract-sockets', 'signals')),
});

const maxRules = 1000;

/** `spec.landlock`. */
export const landlock: is.Check = (value, field) => {
  rules(value, field);
  const { paths, tcp, scopes } = value as {
    paths?: readonly { readonly allow: readonly string[] }[];
    tcp?: { readonly bind?: readonly number[]; readonly connect?: readonly number[] };
    scopes?: readonly string[];
  };
  if (!paths && !tcp?.bind && !tcp?.connect && !scopes?.length)
    throw is.invalid(field, 'restricts nothing: leave it out');
  const lists = { paths, 'tcp.bind': tcp?.bind, 'tcp.connect': tcp?.connect };
  for (const [name, list] of Object.entries(lists)) {
    if (list && list.length > maxRules) throw is.invalid(`${field}.${name}`, `must be at most ${maxRules}`);
  }
  const nothing = paths?.findIndex(({ allow }) => allow.length === 0) ?? -1;
  if (nothing >= 0) throw is.invalid(`${field}.paths[${nothing}].allow`, 'must not be empty: leave the path out');
};
