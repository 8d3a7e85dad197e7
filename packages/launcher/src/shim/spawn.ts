import { Socket } from 'node:net';
import { type ContainerId, type SpareGroups, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import type { ShimPlan } from '../compile/plan.js';
import { encodeFrame, protocolVersion, type Step } from '../protocol.generated.js';
import { shimExecutable } from './executable.js';
import { ShimSession } from './session.js';

/** A shim that was asked for. */
export interface StartedShim {
  readonly session: ShimSession;
  /** Rejects if there is no shim at the other end. */
  readonly started: Promise<void>;
  /** Those that its first process is in already. */
  readonly groups?: SpareGroups;
}

/** Starts a shim, whose argument is `title`; with `clone`, the first frame, it makes a first process at once. */
export async function startShim(id: ContainerId, title: string, clone?: Uint8Array): Promise<StartedShim> {
  const executable = await shimExecutable();
  const explain = (error: unknown): never => {
    throw toGantryError(error, `starting the shim of container ${id}`);
  };
  try {
    const { socket, started } = addon().spawn(executable, ['gantry-shim', title]);
    const session = new ShimSession(id, new Socket({ fd: socket, readable: true, writable: true }));
    if (clone) session.write(clone);
    const explained = started.catch(explain);
    explained.catch(() => undefined);
    return { session, started: explained };
  } catch (error) {
    return explain(error);
  }
}

/** Frames by the steps in them: of a stage the rest is the same if the steps are. */
const frames = new WeakMap<readonly Step[], Uint8Array>();

/** The first frame that a shim gets. */
export function cloneFrame({ cloneFlags, cgroup, within, ahead }: ShimPlan): Uint8Array {
  const { pid: parent, startTime: parentStartTime } = within?.parent ?? { pid: 0, startTime: 0 };
  const known = ahead.length > 0 ? frames.get(ahead) : undefined;
  if (known) return known;
  const frame = encodeFrame({
    ...cloneMessage,
    cloneFlags,
    cgroup,
    parent,
    parentStartTime,
    parentNamespaces: within?.namespaces ?? 0,
    steps: ahead,
  });
  if (ahead.length > 0) frames.set(ahead, frame);
  return frame;
}

/** The same for a first process that joins the folders of control groups at once, of a plan whose process would wait for them. */
export function cloneFrameInto(folders: readonly string[], { cloneFlags, ahead, steps }: ShimPlan): Uint8Array {
  const joins = folders.map((path): Step => ({ op: 'joinCgroup', path }));
  const groups = [...joins, ...steps.filter(({ op }) => op === 'cgroupNamespace')];
  return encodeFrame({ ...cloneMessage, cloneFlags, steps: ahead, groups });
}

const cloneMessage = {
  op: 'clone',
  version: protocolVersion,
  cgroup: '',
  parent: 0,
  parentStartTime: 0,
  parentNamespaces: 0,
  groups: [],
} as const;
