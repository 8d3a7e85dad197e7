import { unsupported } from '../refusal.js';

/** `BPF_MAXINSNS`: the most instructions that the kernel takes. */
export const maxInstructions = 4096;

/** What asks for more nodes, be they alike, has hardly a program that is short enough, and would hold the only thread for seconds. */
const maxAsked = 32 * maxInstructions;

/** A step of a filter, whose successors are nodes too: a graph without cycles. */
export type Node =
  | { readonly kind: 'return'; readonly value: number }
  /** Goes on with 32 bits of what the kernel tells of the call, at this offset of `struct seccomp_data`, in the accumulator. */
  | { readonly kind: 'load'; readonly offset: number; readonly next: Node }
  | { readonly kind: 'and'; readonly mask: number; readonly next: Node }
  | { readonly kind: Comparison; readonly value: number; readonly yes: Node; readonly no: Node };

export type Comparison = 'equal' | 'greaterOrEqual' | 'greater';

/** Makes nodes, one of each kind: what is alike is shared, and what no path leads to is never written. */
export class NodeFactory {
  readonly #nodes = new Map<string, Node>();
  readonly #ids = new Map<Node, number>();
  #asked = 0;

  return(value: number): Node {
    return this.#one(`return ${value}`, { kind: 'return', value });
  }

  load(offset: number, next: Node): Node {
    // What does not look at the accumulator needs nothing in it.
    if (next.kind === 'return' || next.kind === 'load') return next;
    return this.#one(`load ${offset} ${this.#id(next)}`, { kind: 'load', offset, next });
  }

  and(mask: number, next: Node): Node {
    if (mask === 0xffffffff || next.kind === 'return' || next.kind === 'load') return next;
    return this.#one(`and ${mask} ${this.#id(next)}`, { kind: 'and', mask, next });
  }

  compare(kind: Comparison, value: number, yes: Node, no: Node): Node {
    if (yes === no || (kind === 'greaterOrEqual' && value === 0)) return yes;
    if (kind === 'greater' && value === 0xffffffff) return no;
    const key = `${kind} ${value} ${this.#id(yes)} ${this.#id(no)}`;
    return this.#one(key, { kind, value, yes, no });
  }

  #one(key: string, node: Node): Node {
    this.#asked += 1;
    if (this.#asked > maxAsked) {
      throw unsupported(
        'linux.seccomp',
        `the profile has too many conditions for the ${maxInstructions} instructions that the kernel takes: give it fewer`,
      );
    }
    const same = this.#nodes.get(key);
    if (same) return same;
    this.#nodes.set(key, node);
    this.#ids.set(node, this.#ids.size);
    return node;
  }

  #id(node: Node): number | undefined {
    return this.#ids.get(node);
  }
}
