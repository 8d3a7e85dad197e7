import { Socket } from 'node:net';
import { type ContainerId, type ProcessIdentity, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import { encodeFrame, protocolVersion } from '../protocol.generated.js';
import { shimExecutable } from './executable.js';
import { ShimSession } from './session.js';

/** How the first process is to be cloned. */
export interface CloneOptions {
  /** `CLONE_NEW*` bits. */
  readonly cloneFlags: number;
  /** The cgroup v2 folder to clone it into; empty for the shim's own. */
  readonly cgroup: string;
  /** The process some of whose namespaces (`CLONE_NEW*` bits) to clone it into. */
  readonly within?: { readonly parent: ProcessIdentity; readonly namespaces: number };
}

/** A shim that was asked for. */
export interface StartedShim {
  readonly session: ShimSession;
  /** Rejects if there is no shim at the other end. */
  readonly started: Promise<void>;
}

/** Starts a shim, whose argument is `title`; with `clone` it makes a first process at once. */
export async function startShim(id: ContainerId, title: string, clone?: CloneOptions): Promise<StartedShim> {
  const executable = await shimExecutable();
  const explain = (error: unknown): never => {
    throw toGantryError(error, `starting the shim of container ${id}`);
  };
  try {
    const { socket, started } = addon().spawn(executable, ['gantry-shim', title]);
    const session = new ShimSession(id, new Socket({ fd: socket, readable: true, writable: true }));
    if (clone) session.write(cloneFrame(clone));
    const explained = started.catch(explain);
    explained.catch(() => undefined);
    return { session, started: explained };
  } catch (error) {
    return explain(error);
  }
}

/** The first frame that a shim gets. */
export function cloneFrame({ cloneFlags, cgroup, within }: CloneOptions): Uint8Array {
  const { pid: parent, startTime: parentStartTime } = within?.parent ?? { pid: 0, startTime: 0 };
  const parentNamespaces = within?.namespaces ?? 0;
  return encodeFrame({
    op: 'clone',
    version: protocolVersion,
    cloneFlags,
    cgroup,
    parent,
    parentStartTime,
    parentNamespaces,
  });
}
