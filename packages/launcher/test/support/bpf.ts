/** What the kernel tells a seccomp filter: `struct seccomp_data`. */
export interface SystemCall {
  /** `AUDIT_ARCH_*`. */
  readonly audit: number;
  readonly number: number;
  /** Six, of 64 bits. */
  readonly args: readonly bigint[];
}

/** What a filter answers to a call. Throws for what the kernel would not load, or a jump out of the program. */
export type Filter = (call: SystemCall) => number;

/** The instructions that filters are made of: linux/bpf_common.h. */
export function loadFilter(program: Uint8Array): Filter {
  const count = program.length / 8;
  if (!Number.isInteger(count) || count === 0 || count > 4096) throw new Error(`a program of ${program.length} bytes`);
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const code = Uint16Array.from({ length: count }, (_, i) => view.getUint16(8 * i, true));
  const jt = Uint8Array.from({ length: count }, (_, i) => view.getUint8(8 * i + 2));
  const jf = Uint8Array.from({ length: count }, (_, i) => view.getUint8(8 * i + 3));
  const k = Uint32Array.from({ length: count }, (_, i) => view.getUint32(8 * i + 4, true));
  const data = new DataView(new ArrayBuffer(64));
  return ({ audit, number, args }) => {
    data.setInt32(0, number | 0, true);
    data.setUint32(4, audit, true);
    args.forEach((argument, i) => {
      data.setBigUint64(16 + 8 * i, argument, true);
    });
    let accumulator = 0;
    const scratch = new Uint32Array(16);
    for (let at = 0; ; at++) {
      if (at >= count) throw new Error('a jump out of the program');
      const value = k[at] ?? 0;
      const go = (taken: boolean) => {
        at += (taken ? jt[at] : jf[at]) ?? 0;
      };
      switch (code[at]) {
        case 0x20:
          accumulator = data.getUint32(value, true);
          break;
        case 0x54:
          accumulator = (accumulator & value) >>> 0;
          break;
        case 0x05:
          at += value;
          break;
        case 0x15:
          go(accumulator === value);
          break;
        case 0x25:
          go(accumulator > value);
          break;
        case 0x35:
          go(accumulator >= value);
          break;
        case 0x45:
          go((accumulator & value) !== 0);
          break;
        case 0x02:
          scratch[value] = accumulator;
          break;
        case 0x60:
          accumulator = scratch[value] ?? 0;
          break;
        case 0x06:
          return value;
        default:
          throw new Error(`instruction ${at} has the code ${code[at]}`);
      }
    }
  };
}
