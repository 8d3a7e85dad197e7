import { mkdtempSync, rmSync } from 'node:fs';
import { connect, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CloneMessage,
  encodeFrame,
  FrameDecoder,
  type HostMessage,
  type LaunchMessage,
  protocolVersion,
  type ShimMessage,
  type Step,
  stateFiles,
} from '../../../packages/launcher/src/protocol.generated.js';
import { addon } from '../../src/addon.js';
import { shimPath } from '../../src/shim.js';

/** A socket to a shim that gives its messages one by one. */
export class ShimSocket {
  readonly #socket: Socket;
  readonly #messages: ShimMessage[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(socket: Socket) {
    const decoder = new FrameDecoder();
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#messages.push(...decoder.push(chunk));
      this.#wake?.();
    });
    // A reset is an end too: the shim is gone.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  send(message: HostMessage): void {
    this.#socket.write(encodeFrame(message));
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Stops reading, as a host that hangs does. */
  pause(): void {
    this.#socket.pause();
  }

  /** The next message, or undefined once the shim has closed. */
  async next(): Promise<ShimMessage | undefined> {
    for (;;) {
      const message = this.#messages.shift();
      if (message || this.#closed) return message;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The next message, which must be of this kind. */
  async expect<Op extends ShimMessage['op']>(op: Op): Promise<Extract<ShimMessage, { op: Op }>> {
    const message = await this.next();
    if (message?.op !== op) throw new Error(`expected ${op}, the shim said ${JSON.stringify(message)}`);
    return message as Extract<ShimMessage, { op: Op }>;
  }

  /** Resolves when the shim has closed the connection. */
  async closed(): Promise<void> {
    while ((await this.next()) !== undefined);
  }

  close(): void {
    this.#socket.destroy();
  }
}

let executable: Promise<number> | undefined;

/** Starts a shim and gives the launch socket. */
export async function startShim(id = 'test'): Promise<ShimSocket> {
  executable ??= addon().sealedExecutable(shimPath);
  const { socket, started } = addon().spawn(await executable, ['gantry-shim', id]);
  await started;
  return new ShimSocket(new Socket({ fd: socket }));
}

/** A fresh folder, removed by `removeStateDirs`. */
export function stateDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-shim-'));
  folders.push(folder);
  return folder;
}

const folders: string[] = [];

export function removeStateDirs(): void {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** `ahead` are the steps of the first message. */
export type LaunchOptions = Partial<
  Omit<CloneMessage, 'op' | 'steps' | 'groups'> & Omit<LaunchMessage, 'op' | 'steps'>
> & {
  readonly ahead?: readonly Step[];
};

/** The first message of a launch. */
export function cloneMessage(message: Partial<Omit<CloneMessage, 'op'>> = {}): CloneMessage {
  return {
    op: 'clone',
    version: protocolVersion,
    cloneFlags: 0,
    cgroup: '',
    parent: 0,
    parentStartTime: 0,
    parentNamespaces: 0,
    steps: [],
    groups: [],
    ...message,
  };
}

/** The second; its state folder must be given. */
export function launchMessage(
  message: Pick<LaunchMessage, 'stateDir' | 'steps'> & Partial<LaunchMessage>,
): LaunchMessage {
  const users = { uidMap: '', gidMap: '', setgroups: 0, outside: 0, rootUid: 0, rootGid: 0 };
  const log = { logFormat: 0, logMaxBytes: 0, logMaxFiles: 1 };
  return {
    op: 'launch',
    id: 'test',
    input: 0,
    ...log,
    unshare: 0,
    release: 0,
    groups: 0,
    agent: '',
    ...users,
    ...message,
  };
}

/** Starts a shim and sends it the messages of a launch; `stateDir` is a fresh one unless given. */
export async function launch(
  steps: readonly Step[],
  options: LaunchOptions = {},
): Promise<{ shim: ShimSocket; folder: string }> {
  const folder = options.stateDir ?? stateDir();
  const shim = await startShim();
  const { ahead = [], version = protocolVersion, cloneFlags = 0, cgroup = '', ...within } = options;
  const { parent = 0, parentStartTime = 0, parentNamespaces = 0, ...rest } = within;
  shim.send(cloneMessage({ version, cloneFlags, cgroup, parent, parentStartTime, parentNamespaces, steps: ahead }));
  shim.send(launchMessage({ ...rest, stateDir: folder, steps }));
  return { shim, folder };
}

/** Connects to the path socket of a running shim. */
export async function attach(folder: string): Promise<ShimSocket> {
  const socket = connect(join(folder, stateFiles.socket));
  const client = new ShimSocket(socket);
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return client;
}
