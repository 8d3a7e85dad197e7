import { quote } from '../quote.js';

/** The JSON path of a member: `$.config`, or `$["org.x"]` where the key is no plain name. */
export function memberPath(parent: string, key: string): string {
  return /^[A-Za-z_]\w{0,79}$/.test(key) ? `${parent}.${key}` : `${parent}[${quote(key)}]`;
}

/** The JSON path of an element: `$.layers[3]`. */
export function elementPath(parent: string, index: number): string {
  return `${parent}[${index}]`;
}
