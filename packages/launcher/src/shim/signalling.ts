import { constants } from 'node:os';
import { type CallOptions, type ContainerId, GantryError, raceAbort } from '@gantry/interface';
import { errnoName, errnoText } from './errno.js';
import type { ShimSession } from './session.js';
import { maxSignal } from './signal-name.js';

/**
 * Has a shim send a signal. Does nothing for a process that has ended: neither if the kernel says so, nor if the
 * connection ended first and `hasEnded` says that the process did.
 */
export async function sendSignal(
  session: ShimSession,
  id: ContainerId,
  signal: number,
  options: CallOptions,
  hasEnded: () => Promise<boolean>,
): Promise<void> {
  checkSignal(id, signal);
  const ask = async () => {
    try {
      return await session.signal(signal);
    } catch (error) {
      if (await hasEnded()) return constants.errno.ESRCH;
      throw error;
    }
  };
  const errno = await raceAbort(ask(), options.signal, `signalling container ${id}`);
  if (errno === 0 || errno === constants.errno.ESRCH) return;
  throw new GantryError('SYSTEM', `container ${id}: signal ${signal}: ${errnoText(errno)}`, {
    details: { syscall: 'pidfd_send_signal', errno: errnoName(errno) },
  });
}

/** `INVALID_ARGUMENT` for a number that is no signal's. */
export function checkSignal(id: ContainerId, signal: number): void {
  if (Number.isInteger(signal) && signal >= 1 && signal <= maxSignal) return;
  throw new GantryError('INVALID_ARGUMENT', `container ${id}: ${signal} is not a signal from 1 to ${maxSignal}`, {
    details: { field: 'signal' },
  });
}
