import { parseSignal } from '@gantry/containerizer';
import type { ExitStatus } from '@gantry/interface';

/** As a shell reports it: the code, or 128 and the signal; 125 if nobody saw the end. */
export function exitCode(exit: ExitStatus | undefined): number {
  if (exit?.type === 'exited') return exit.code;
  if (exit?.type === 'signaled') return 128 + parseSignal(exit.signal);
  return 125;
}
