import { constants } from 'node:os';
import { type ContainerId, GantryError, isGantryError, type TerminalSize } from '@gantry/interface';
import { errnoName, errnoText } from './errno.js';
import type { ShimSession } from './session.js';

/** What the kernel keeps of each side of a terminal: 16 bits. */
const maxCells = 0xffff;

/** Sets the size of the terminal that a session is about; does nothing once its process has ended. */
export async function resizeTerminal(session: ShimSession, id: ContainerId, size: TerminalSize): Promise<void> {
  for (const field of ['columns', 'rows'] as const) {
    const value = size[field];
    if (Number.isInteger(value) && value >= 1 && value <= maxCells) continue;
    throw new GantryError('INVALID_ARGUMENT', `${field}: ${value} is not a whole number from 1 to ${maxCells}`, {
      details: { field },
    });
  }
  const errno = await ask(session, size);
  if (errno === 0) return;
  if (errno === constants.errno.ENOTTY) {
    throw new GantryError('WRONG_STATE', `resizing container ${id}: it has no terminal`, { details: { id } });
  }
  throw new GantryError('SYSTEM', `resizing container ${id}: ${errnoText(errno)}`, {
    details: { errno: errnoName(errno) },
  });
}

async function ask(session: ShimSession, { columns, rows }: TerminalSize): Promise<number> {
  try {
    return await session.request((request) => ({ op: 'resize', request, columns, rows }));
  } catch (error) {
    // The connection has gone with the process, or with the shim, which its exit tells.
    if (isGantryError(error, 'SHIM_LOST')) return 0;
    throw error;
  }
}
