import { answerNoSuchCall, isErrno, killProcess } from './actions.js';
import { type Architecture, auditArchitectures, syscallNumbers, x32Bit } from './architectures.js';
import { compileCondition } from './conditions.js';
import type { Node, NodeFactory } from './nodes.js';
import type { Rule, Rules } from './rules.js';

/** Where `struct seccomp_data` has them. */
const numberOffset = 0;
const architectureOffset = 4;

/** What a tracer leaves of a call that it has dealt with. */
const noCall = 0xffffffff;

/** From this number on, up to the next range, calls come to this. */
interface Range {
  readonly from: number;
  readonly node: Node;
}

/** The whole filter: by architecture, then by the number of the call, then by its arguments. */
export function compileFilter(nodes: NodeFactory, rules: Rules, architectures: readonly Architecture[]): Node {
  const kill = nodes.return(killProcess);
  const byAudit = new Map<number, Range[]>();
  for (const architecture of architectures) {
    const audit = auditArchitectures[architecture];
    const ranges = rangesOf(nodes, rules, architecture);
    // The numbers of x32 are above all of x86-64, whose architecture is theirs to the kernel.
    byAudit.set(audit, [...(byAudit.get(audit) ?? []), ...ranges]);
    if (architecture === 'x86_64' && !architectures.includes('x32')) {
      const above = ranges.at(-1)?.node ?? kill;
      byAudit.set(audit, [...ranges, { from: x32Bit, node: kill }, { from: noCall, node: above }]);
    }
  }
  let filter = kill;
  for (const [audit, ranges] of [...byAudit].reverse()) {
    filter = nodes.compare('equal', audit, nodes.load(numberOffset, search(nodes, merged(ranges))), filter);
  }
  return nodes.load(architectureOffset, filter);
}

/**
 * The numbers of an architecture, upwards. A profile whose default is an errno says nothing of calls above the last one
 * that it names, which may be newer than it: they are answered as by a kernel that has no such call, so that programs
 * take their older way. runc does the same.
 */
function rangesOf(nodes: NodeFactory, { defaultAction, calls }: Rules, architecture: Architecture): Range[] {
  const numbers = syscallNumbers(architecture);
  const otherwise = nodes.return(defaultAction);
  const ranges: Range[] = [{ from: architecture === 'x32' ? x32Bit : 0, node: otherwise }];
  const named: { readonly number: number; readonly rules: readonly Rule[] }[] = [];
  for (const [name, rules] of calls) {
    const number = numbers.get(name);
    if (number !== undefined) named.push({ number, rules });
  }
  named.sort((a, b) => a.number - b.number);
  for (const { number, rules } of named) {
    ranges.push({ from: number, node: compileCall(nodes, rules, otherwise) }, { from: number + 1, node: otherwise });
  }
  const last = named.at(-1);
  if (last && isErrno(defaultAction)) ranges.push({ from: last.number + 1, node: nodes.return(answerNoSuchCall) });
  return ranges;
}

/**
 * One call. A rule that says what the default says anyway is none. One without conditions decides, whatever others say
 * (libseccomp drops these); else the first whose conditions hold.
 */
function compileCall(nodes: NodeFactory, all: readonly Rule[], otherwise: Node): Node {
  const rules = all.filter(({ action }) => nodes.return(action) !== otherwise);
  const certain = rules.find(({ conditions }) => conditions.length === 0);
  if (certain) return nodes.return(certain.action);
  let next = otherwise;
  for (const { action, conditions } of [...rules].reverse()) {
    const failed = next;
    next = nodes.return(action);
    for (const condition of [...conditions].reverse()) next = compileCondition(nodes, condition, next, failed);
  }
  return next;
}

/** Without those that begin where the next does, and those that come to what the one before them does. */
function merged(ranges: readonly Range[]): readonly Range[] {
  const result: Range[] = [];
  for (const range of ranges) {
    while (result.at(-1)?.from === range.from) result.pop();
    if (result.at(-1)?.node !== range.node) result.push(range);
  }
  return result;
}

/** A balanced tree of comparisons. */
function search(nodes: NodeFactory, ranges: readonly Range[]): Node {
  const [first, second, third] = ranges;
  if (!first) throw new RangeError('there is no range');
  if (!second) return first.node;
  if (ranges.length === 3 && third && third.from === second.from + 1 && third.node === first.node) {
    return nodes.compare('equal', second.from, second.node, first.node);
  }
  const middle = ranges.length >> 1;
  const half = ranges[middle] ?? second;
  const upper = search(nodes, ranges.slice(middle));
  return nodes.compare('greaterOrEqual', half.from, upper, search(nodes, ranges.slice(0, middle)));
}
