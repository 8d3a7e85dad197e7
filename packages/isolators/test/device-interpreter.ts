/** What a process asks of a device. */
export interface DeviceQuestion {
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  /** One or more of `rwm`. */
  readonly access: string;
}

/**
 * Runs eBPF instructions on a `bpf_cgroup_dev_ctx`, as Linux's bpf/instruction-set documentation says: just those
 * operations that a device program needs, and an error for any other.
 */
export function permits(program: Uint8Array, question: DeviceQuestion): boolean {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const context = new DataView(new ArrayBuffer(12));
  const bits = { m: 1, r: 2, w: 4 } as const;
  const access = [...question.access].reduce((sum, letter) => sum | bits[letter as keyof typeof bits], 0);
  context.setUint32(0, (access << 16) | (question.type === 'b' ? 1 : 2), true);
  context.setUint32(4, question.major, true);
  context.setUint32(8, question.minor, true);
  const registers: (bigint | undefined)[] = Array.from({ length: 11 });
  const read = (register: number) => {
    const value = registers[register];
    if (value === undefined) throw new Error(`register ${register} is read before it is written`);
    return value;
  };
  for (let at = 0, steps = 0; at < program.byteLength / 8; at++, steps++) {
    if (steps > 100_000) throw new Error('the program does not end');
    const opcode = view.getUint8(at * 8);
    const [destination, source] = [view.getUint8(at * 8 + 1) & 15, view.getUint8(at * 8 + 1) >> 4];
    const offset = view.getInt16(at * 8 + 2, true);
    const constant = BigInt(view.getInt32(at * 8 + 4, true));
    if (opcode === 0x61 && source === 1) registers[destination] = BigInt(context.getUint32(offset, true));
    else if (opcode === 0xbf) registers[destination] = read(source);
    else if (opcode === 0xb7) registers[destination] = constant;
    else if (opcode === 0x57) registers[destination] = read(destination) & BigInt.asUintN(64, constant);
    else if (opcode === 0x77) registers[destination] = read(destination) >> constant;
    else if (opcode === 0x55) at += read(destination) === BigInt.asUintN(64, constant) ? 0 : offset;
    else if (opcode === 0x95) return read(0) !== 0n;
    else throw new Error(`opcode ${opcode} at ${at}`);
  }
  throw new Error('it runs past its end');
}
