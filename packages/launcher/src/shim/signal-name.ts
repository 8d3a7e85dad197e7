import { constants } from 'node:os';

/** The first real-time signal, as the C library numbers them. */
const firstRealTime = 34;

const names = new Map<number, string>();
for (const [name, number] of Object.entries(constants.signals)) if (!names.has(number)) names.set(number, name);

/** The highest signal number of Linux. */
export const maxSignal = 64;

/** `SIGTERM` for 15, `SIGRTMIN+1` for 35. */
export function signalName(signal: number): string {
  if (signal >= firstRealTime) return `SIGRTMIN+${signal - firstRealTime}`;
  return names.get(signal) ?? `SIG${signal}`;
}
