// Hooks of node:module that make another release of the library: one that speaks the protocol version GANTRY_TEST_PROTOCOL with the
// shim GANTRY_TEST_SHIM.
import { env } from 'node:process';

/** @type {ReadonlyMap<string, { readonly pattern: RegExp, readonly text: string }>} */
const changes = new Map([
  ['launcher', { pattern: /\bprotocolVersion = \d+;/, text: `protocolVersion = ${env['GANTRY_TEST_PROTOCOL']};` }],
  ['native', { pattern: /\bshimPath = [^;]+;/, text: `shimPath = ${JSON.stringify(env['GANTRY_TEST_SHIM'])};` }],
]);

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  const [, name = ''] = /\/(launcher|native)\/dist\/index\.js$/.exec(url) ?? [];
  const change = changes.get(name);
  if (!change) return loaded;
  const source = String(loaded.source);
  if (!change.pattern.test(source)) throw new Error(`${url}: nothing matches ${change.pattern}`);
  return { ...loaded, source: source.replace(change.pattern, () => change.text) };
}
