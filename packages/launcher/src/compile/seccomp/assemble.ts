import type { Comparison, Node } from './nodes.js';

/** Bytes of a `struct sock_filter`. */
const size = 8;

/** The farthest that a comparison can jump. */
const farthest = 255;

/** Instructions of classic BPF: linux/bpf_common.h. */
const loadWord = 0x20;
const and = 0x54;
const jump = 0x05;
const returnValue = 0x06;
const comparisons: Readonly<Record<Comparison, number>> = { equal: 0x15, greater: 0x25, greaterOrEqual: 0x35 };

interface Instruction {
  readonly code: number;
  readonly yes: number;
  readonly no: number;
  readonly value: number;
}

/**
 * Writes a filter as `struct sock_filter`s in the byte order of the machines there are. Jumps go forward only, so that the program is
 * made from its end: what a node goes on to has been placed when its own place comes.
 */
export function assemble(start: Node): Uint8Array {
  const assembler = new Assembler();
  assembler.place(start);
  return assembler.bytes();
}

class Assembler {
  /** From the last instruction to the first. */
  readonly #reversed: Instruction[] = [];
  /** Where a node is, or what leads to it. */
  readonly #places = new Map<Node, number>();

  /** Sees to a place of the node. */
  place(node: Node): void {
    if (this.#places.has(node)) return;
    switch (node.kind) {
      case 'return':
        break;
      case 'load':
      case 'and':
        this.place(node.next);
        this.#beNext(node.next);
        break;
      default:
        this.place(node.yes);
        this.place(node.no);
    }
    this.#write(node);
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(size * this.#reversed.length);
    const view = new DataView(bytes.buffer);
    this.#reversed.reverse().forEach(({ code, yes, no, value }, index) => {
      view.setUint16(size * index, code, true);
      view.setUint8(size * index + 2, yes);
      view.setUint8(size * index + 3, no);
      view.setUint32(size * index + 4, value, true);
    });
    return bytes;
  }

  /** Writes a node whose successors have places. */
  #write(node: Node): void {
    switch (node.kind) {
      case 'return':
        this.#add({ code: returnValue, yes: 0, no: 0, value: node.value });
        break;
      case 'load':
        this.#add({ code: loadWord, yes: 0, no: 0, value: node.offset });
        break;
      case 'and':
        this.#add({ code: and, yes: 0, no: 0, value: node.mask });
        break;
      default: {
        this.#bringNear(node.yes, 1);
        this.#bringNear(node.no, 0);
        const [yes, no] = [this.#distance(node.yes), this.#distance(node.no)];
        this.#add({ code: comparisons[node.kind], yes, no, value: node.value });
      }
    }
    this.#places.set(node, this.#reversed.length - 1);
  }

  /** Of the instruction to be written next. */
  #distance(node: Node): number {
    const place = this.#places.get(node);
    if (place === undefined) throw new RangeError('a node without a place');
    return this.#reversed.length - 1 - place;
  }

  /** Has the next instruction fall into the node. */
  #beNext(node: Node): void {
    if (this.#distance(node) === 0) return;
    // A comparison is no longer than a jump to it.
    if (node.kind === 'load' || node.kind === 'and') this.#jumpTo(node);
    else this.#write(node);
  }

  /** Has the node in reach of the next instruction but `more`, by a copy of what is one instruction, else by a jump. */
  #bringNear(node: Node, more: number): void {
    if (this.#distance(node) + more <= farthest) return;
    if (node.kind === 'return') this.#write(node);
    else this.#jumpTo(node);
  }

  #jumpTo(node: Node): void {
    this.#add({ code: jump, yes: 0, no: 0, value: this.#distance(node) });
    this.#places.set(node, this.#reversed.length - 1);
  }

  #add(instruction: Instruction): void {
    this.#reversed.push(instruction);
  }
}
