// Hooks of node:module that make another release of the library: one that speaks the protocol version GANTRY_TEST_PROTOCOL with the
// shim GANTRY_TEST_SHIM.
import { env } from 'node:process';

const changes = new Map([
  ['launcher', [/\bprotocolVersion = \d+;/, `protocolVersion = ${env.GANTRY_TEST_PROTOCOL};`]],
  ['native', [/\bshimPath = [^;]+;/, `shimPath = ${JSON.stringify(env.GANTRY_TEST_SHIM)};`]],
]);

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  const [, name = ''] = /\/(launcher|native)\/dist\/index\.js$/.exec(url) ?? [];
  const change = changes.get(name);
  if (!change) return loaded;
  const [pattern, text] = change;
  const source = String(loaded.source);
  if (!pattern.test(source)) throw new Error(`${url}: nothing matches ${pattern}`);
  return { ...loaded, source: source.replace(pattern, () => text) };
}
