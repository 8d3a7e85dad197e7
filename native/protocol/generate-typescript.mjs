// The host's side: types, an encoder of frames for the shim and a decoder of frames from it.

const width = 120;
const types = {
  u8: 'number',
  u32: 'number',
  i32: 'number',
  u64: 'number',
  str: 'string',
  blob: 'Uint8Array',
  list: 'readonly string[]',
};
const capitalised = (name) => name[0].toUpperCase() + name.slice(1);
const messageType = (name) => `${capitalised(name)}Message`;
const stepType = (name) => `${capitalised(name)}Step`;
const sentence = (text) => `${capitalised(text)}.`;

function objectType(typeName, op, { doc, fields }) {
  const lines = Object.entries(fields).map(
    ([name, type]) => `  readonly ${name}: ${type === 'steps' ? 'readonly Step[]' : types[type]};`,
  );
  return `/** ${sentence(doc)} */\nexport type ${typeName} = {\n  readonly op: '${op}';\n${lines.map((line) => `${line}\n`).join('')}};\n`;
}

function unionType(doc, typeName, members) {
  const line = `export type ${typeName} = ${members.join(' | ')};`;
  const text = line.length <= width ? line : `export type ${typeName} =\n${members.map((m) => `  | ${m}`).join('\n')};`;
  return `/** ${doc} */\n${text}\n`;
}

function encodeCase(op, { code, fields }, subject) {
  const lines = [`writer.u8(${code});`];
  for (const [name, type] of Object.entries(fields)) {
    const method = type === 'steps' ? 'encodeSteps(writer, ' : `writer.${type}(`;
    lines.push(type === 'steps' ? `${method}${subject}.${name});` : `${method}${subject}.${name}, '${op}.${name}');`);
  }
  lines.push('break;');
  return `    case '${op}':\n${lines.map((line) => `      ${line}\n`).join('')}`;
}

function decodeCase(op, { code, fields }) {
  const reads = Object.entries(fields).map(([name, type]) => `${name}: reader.${type}()`);
  const properties = [`op: '${op}'`, ...reads];
  const line = `      return { ${properties.join(', ')} };`;
  const text =
    line.length <= width ? line : `      return {\n${properties.map((p) => `        ${p},\n`).join('')}      };`;
  return `    case ${code}:\n${text}\n`;
}

export function typescriptSide({ version, maxFrame, noStep, files, messages, steps }) {
  const host = Object.entries(messages.hostToShim);
  const shim = Object.entries(messages.shimToHost);
  const all = Object.entries(steps);
  const fileLines = Object.entries(files).map(
    ([key, { name, doc }]) => `  /** ${sentence(doc)} */\n  ${key}: '${name}',\n`,
  );
  return `// Generated from native/protocol/protocol.json by native/protocol/generate.mjs; edit those.
import { GantryError } from '@gantry/interface';

/** The version that host and shim must share. */
export const protocolVersion = ${version};

/** The most bytes that may follow a frame's length. */
export const maxFrame = ${maxFrame};

/** \`step\` of a failure that is the shim's own. */
export const noStep = ${noStep};

/** The files of the shim in a container's state folder. */
export const stateFiles = {
${fileLines.join('')}} as const;

/**
 * A u64 is a number: a safe integer, or 2^64, which is what JSON reads 18446744073709551615 as and stands for
 * that value (RLIM_INFINITY).
 */
export const maxU64 = 2 ** 64;

${all.map(([name, step]) => objectType(stepType(name), name, step)).join('\n')}
${unionType(
  'One step of a launch plan.',
  'Step',
  all.map(([name]) => stepType(name)),
)}
${host.map(([name, message]) => objectType(messageType(name), name, message)).join('\n')}
${unionType(
  'What the host says.',
  'HostMessage',
  host.map(([name]) => messageType(name)),
)}
${shim.map(([name, message]) => objectType(messageType(name), name, message)).join('\n')}
${unionType(
  'What the shim says.',
  'ShimMessage',
  shim.map(([name]) => messageType(name)),
)}${runtime}
function encodeStep(writer: FieldWriter, step: Step): void {
  switch (step.op) {
${all.map(([name, step]) => encodeCase(name, step, 'step')).join('')}  }
}

function encodeSteps(writer: FieldWriter, steps: readonly Step[]): void {
  writer.u32(steps.length, 'steps');
  for (const step of steps) {
    const start = writer.begin();
    encodeStep(writer, step);
    writer.end(start);
  }
}

/**
 * Encodes one frame. \`INVALID_ARGUMENT\` for a value that its field cannot hold, such as a string with a NUL;
 * \`LIMIT_EXCEEDED\` if the frame is longer than the shim takes.
 */
export function encodeFrame(message: HostMessage): Uint8Array {
  const writer = new FieldWriter();
  const start = writer.begin();
  switch (message.op) {
${host.map(([name, message]) => encodeCase(name, message, 'message')).join('')}  }
  const bytes = writer.end(start);
  if (bytes > maxFrame) {
    throw new GantryError(
      'LIMIT_EXCEEDED',
      \`the \${message.op} message has \${bytes} bytes, the shim takes \${maxFrame}: shorten the arguments, environment or mounts\`,
      { details: { bytes, limit: maxFrame } },
    );
  }
  return writer.bytes();
}

function decodeBody(body: Uint8Array): ShimMessage {
  const reader = new FieldReader(body);
  const message = decodeFields(reader.u8(), reader);
  reader.end();
  return message;
}

function decodeFields(code: number, reader: FieldReader): ShimMessage {
  switch (code) {
${shim.map(([name, message]) => decodeCase(name, message)).join('')}    default:
      throw broken(\`a message of unknown code \${code}\`);
  }
}
${frameDecoder}`;
}

const runtime = `
/** One frame after the other is written in it: memory for each would cost more than the writing. */
const desk = Buffer.allocUnsafeSlow(16 * 1024);

class FieldWriter {
  #buffer = desk;
  #length = 0;

  u8(value: number, field = 'code'): void {
    this.#check(value, 0, 0xff, field);
    this.#length = this.#room(1).writeUInt8(value, this.#length);
  }

  u32(value: number, field: string): void {
    this.#check(value, 0, 0xffffffff, field);
    this.#length = this.#room(4).writeUInt32LE(value, this.#length);
  }

  i32(value: number, field: string): void {
    this.#check(value, -0x80000000, 0x7fffffff, field);
    this.#length = this.#room(4).writeInt32LE(value, this.#length);
  }

  u64(value: number, field: string): void {
    if (value !== maxU64) this.#check(value, 0, Number.MAX_SAFE_INTEGER, field);
    const buffer = this.#room(8);
    const [low, high] = value === maxU64 ? [0xffffffff, 0xffffffff] : [value % 2 ** 32, Math.floor(value / 2 ** 32)];
    this.#length = buffer.writeUInt32LE(high, buffer.writeUInt32LE(low, this.#length));
  }

  str(value: string, field: string): void {
    if (value.includes('\\0')) throw invalid(field, 'has a NUL');
    const size = Buffer.byteLength(value);
    this.u32(size, field);
    const buffer = this.#room(size + 1);
    buffer.write(value, this.#length);
    this.#length = buffer.writeUInt8(0, this.#length + size);
  }

  list(values: readonly string[], field: string): void {
    this.u32(values.length, field);
    for (const value of values) this.str(value, field);
  }

  blob(bytes: Uint8Array, field: string): void {
    this.u32(bytes.length, field);
    this.#room(bytes.length).set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Leaves room for a length; gives the place of what it is to count. */
  begin(): number {
    this.u32(0, 'length');
    return this.#length;
  }

  /** Puts the length of what was written since in its place, and gives it. */
  end(start: number): number {
    this.#buffer.writeUInt32LE(this.#length - start, start - 4);
    return this.#length - start;
  }

  /** The frame, of which nothing stays behind: it may hold secrets. */
  bytes(): Uint8Array {
    const written = this.#buffer.subarray(0, this.#length);
    const bytes = Buffer.from(written);
    written.fill(0);
    return bytes;
  }

  #check(value: number, low: number, high: number, field: string): void {
    if (!Number.isInteger(value) || value < low || value > high) {
      throw invalid(field, \`is \${value}, not an integer from \${low} to \${high}\`);
    }
  }

  #room(size: number): Buffer {
    if (this.#length + size > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#length + size));
      const written = this.#buffer.subarray(0, this.#length);
      larger.set(written);
      written.fill(0);
      this.#buffer = larger;
    }
    return this.#buffer;
  }
}

class FieldReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4));
  }

  i32(): number {
    return this.#bytes.readInt32LE(this.#advance(4));
  }

  u64(): number {
    const value = Number(this.#bytes.readBigUInt64LE(this.#advance(8)));
    if (!Number.isSafeInteger(value) && value !== maxU64) throw broken(\`the number \${value}\`);
    return value;
  }

  str(): string {
    const size = this.u32();
    const start = this.#advance(size + 1);
    return this.#bytes.toString('utf8', start, start + size);
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw broken('a frame that is longer than its message');
  }

  #advance(size: number): number {
    const start = this.#offset;
    if (start + size > this.#bytes.length) throw broken('a frame that is shorter than its message');
    this.#offset = start + size;
    return start;
  }
}

function invalid(field: string, what: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', \`launch plan: \${field} \${what}\`, { details: { field } });
}

function broken(what: string): GantryError {
  return new GantryError('SHIM_LOST', \`the shim broke its protocol: it sent \${what}\`);
}
`;

const frameDecoder = `
/** Cuts a byte stream from a shim into messages. \`SHIM_LOST\` for anything that is not one. */
export class FrameDecoder {
  #pending: Uint8Array = new Uint8Array();

  /** Takes the next piece of the stream and returns the messages that it completes. */
  push(chunk: Uint8Array): ShimMessage[] {
    const messages: ShimMessage[] = [];
    let bytes = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    while (bytes.length >= 4) {
      const size = bytes.readUInt32LE(0);
      if (size === 0 || size > maxFrame) throw broken(\`a frame of \${size} bytes\`);
      if (bytes.length < 4 + size) break;
      messages.push(decodeBody(bytes.subarray(4, 4 + size)));
      bytes = bytes.subarray(4 + size);
    }
    this.#pending = bytes;
    return messages;
  }
}
`;
