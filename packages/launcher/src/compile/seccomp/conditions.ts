import type { Node, NodeFactory } from './nodes.js';

export type Operator = 'NE' | 'LT' | 'LE' | 'EQ' | 'GE' | 'GT' | 'MASKED_EQ';

/** What an argument of a call is to be. Values are of 64 bits. */
export interface Condition {
  /** 0 to 5. */
  readonly index: number;
  readonly operator: Operator;
  readonly value: bigint;
  /** Of `MASKED_EQ`: the bits that are looked at; `value` has no others. */
  readonly mask?: bigint;
}

/** Where `struct seccomp_data` has the arguments, of 8 bytes each, the low half first on the machines there are. */
const argumentsOffset = 16;

const low = (value: bigint) => Number(value & 0xffffffffn);
const high = (value: bigint) => Number(value >> 32n);

/** Goes to `then` if the condition holds. Arguments are of 64 bits, a filter's arithmetic of 32: each half is looked at by itself. */
export function compileCondition(nodes: NodeFactory, condition: Condition, then: Node, otherwise: Node): Node {
  const { index, operator, value, mask = 0xffffffffffffffffn } = condition;
  const offset = argumentsOffset + 8 * index;
  const loadLow = (next: Node) => nodes.load(offset, next);
  const loadHigh = (next: Node) => nodes.load(offset + 4, next);
  const equal = (yes: Node, no: Node): Node => {
    const lowHalf = loadLow(equalHalf(nodes, low(value), low(mask), yes, no));
    return loadHigh(equalHalf(nodes, high(value), high(mask), lowHalf, no));
  };
  const above = (comparison: 'greater' | 'greaterOrEqual', yes: Node, no: Node): Node => {
    const lowHalf = loadLow(nodes.compare(comparison, low(value), yes, no));
    const sameHigh = nodes.compare('equal', high(value), lowHalf, high(value) === 0 ? yes : no);
    return loadHigh(high(value) === 0 ? sameHigh : nodes.compare('greater', high(value), yes, sameHigh));
  };
  switch (operator) {
    case 'EQ':
    case 'MASKED_EQ':
      return equal(then, otherwise);
    case 'NE':
      return equal(otherwise, then);
    case 'GT':
      return above('greater', then, otherwise);
    case 'GE':
      return above('greaterOrEqual', then, otherwise);
    case 'LE':
      return above('greater', otherwise, then);
    case 'LT':
      return above('greaterOrEqual', otherwise, then);
  }
}

/** Whether the accumulator, of which only the bits of `mask` count, is `value`. */
function equalHalf(nodes: NodeFactory, value: number, mask: number, then: Node, otherwise: Node): Node {
  if (mask === 0) return then;
  return nodes.and(mask, nodes.compare('equal', value, then, otherwise));
}
