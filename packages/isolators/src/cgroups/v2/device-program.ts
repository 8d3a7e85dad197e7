import type { DeviceAllowance } from '../device-rules.js';

/** linux/bpf.h: `BPF_DEVCG_*`. */
const deviceTypes = { b: 1, c: 2 } as const;
const accessBits: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
const allAccess = 7;

/** Instructions are 8 bytes: an opcode, the registers (destination in the low half), a jump's distance, a constant. */
const instructionSize = 8;

/** `BPF_LDX | BPF_MEM | BPF_W` and the like: class, operation and source of linux/bpf_common.h. */
const opcodes = {
  loadWord: 0x61,
  copy: 0xbf,
  copyConstant: 0xb7,
  and: 0x57,
  shiftRight: 0x77,
  jumpIfNot: 0x55,
  exit: 0x95,
} as const;

type Instruction = readonly [opcode: number, destination: number, source: number, offset: number, constant: number];

/** Registers: 0 is what the program returns, 1 points to what is asked (`bpf_cgroup_dev_ctx`). */
const [result, context, type, access, major, minor, scratch] = [0, 1, 2, 3, 4, 5, 6] as const;

/**
 * A program of type BPF_PROG_TYPE_CGROUP_DEVICE that lets the processes of a group do what one of the items allows, and
 * nothing else, as eBPF instructions in this machine's byte order. Linux documentation, bpf/instruction-set.
 */
export function deviceProgram(allowed: readonly DeviceAllowance[]): Uint8Array {
  const instructions: Instruction[] = [
    [opcodes.loadWord, access, context, 0, 0],
    [opcodes.copy, type, access, 0, 0],
    [opcodes.and, type, 0, 0, 0xffff],
    [opcodes.shiftRight, access, 0, 0, 16],
    [opcodes.loadWord, major, context, 4, 0],
    [opcodes.loadWord, minor, context, 8, 0],
    ...allowed.flatMap(ruleOf),
    [opcodes.copyConstant, result, 0, 0, 0],
    [opcodes.exit, 0, 0, 0, 0],
  ];
  return encode(instructions);
}

/** Goes on after the rule unless all it says holds; then the answer is yes. */
function ruleOf(item: DeviceAllowance): Instruction[] {
  const bits = [...item.access].reduce((sum, letter) => sum | (accessBits[letter] ?? 0), 0);
  const tests: Instruction[][] = [
    item.type === 'a' ? [] : [jumpIfNot(type, deviceTypes[item.type])],
    bits === allAccess
      ? []
      : [[opcodes.copy, scratch, access, 0, 0], [opcodes.and, scratch, 0, 0, allAccess & ~bits], jumpIfNot(scratch, 0)],
    item.major === undefined ? [] : [jumpIfNot(major, item.major)],
    item.minor === undefined ? [] : [jumpIfNot(minor, item.minor)],
    [
      [opcodes.copyConstant, result, 0, 0, 1],
      [opcodes.exit, 0, 0, 0, 0],
    ],
  ];
  const rule = tests.flat();
  return rule.map((instruction, index) => {
    const [opcode, destination, source, , constant] = instruction;
    const distance = rule.length - index - 1;
    return opcode === opcodes.jumpIfNot ? [opcode, destination, source, distance, constant] : instruction;
  });
}

function jumpIfNot(register: number, value: number): Instruction {
  return [opcodes.jumpIfNot, register, 0, 0, value];
}

/** x86-64 and arm64, for which there is an addon, are little-endian. */
function encode(instructions: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(instructions.length * instructionSize);
  for (const [index, [opcode, destination, source, offset, constant]] of instructions.entries()) {
    const at = index * instructionSize;
    bytes.writeUInt8(opcode, at);
    bytes.writeUInt8(destination | (source << 4), at + 1);
    bytes.writeInt16LE(offset, at + 2);
    bytes.writeInt32LE(constant, at + 4);
  }
  return bytes;
}
