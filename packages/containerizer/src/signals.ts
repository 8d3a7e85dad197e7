import { constants } from 'node:os';
import { invalid } from './fields.js';

const byName = new Map<string, number>(Object.entries(constants.signals));
const byNumber = new Map<number, string>([...byName].map(([name, number]) => [number, name]));
const realtimeMin = 34;
const realtimeMax = 64;

/** The number of a signal given as `SIGTERM`, `TERM`, `RTMIN+3`, `15` or 15. `INVALID_ARGUMENT` for anything else. */
export function parseSignal(signal: string | number, field = 'signal'): number {
  const text = String(signal).toUpperCase();
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= realtimeMax) return number;
  }
  const name = text.startsWith('SIG') ? text : `SIG${text}`;
  const named = byName.get(name);
  if (named !== undefined) return named;
  const realtime = /^SIGRT(MIN\+|MAX-)(\d{1,2})$/.exec(name);
  if (realtime) {
    const number = realtime[1] === 'MIN+' ? realtimeMin + Number(realtime[2]) : realtimeMax - Number(realtime[2]);
    if (number >= realtimeMin && number <= realtimeMax) return number;
  }
  throw invalid(
    field,
    `'${String(signal)}' is not a signal: give a name as SIGTERM or a number from 1 to ${realtimeMax}`,
  );
}

/** `SIGTERM` for 15; `SIG40` for one without a name. */
export function signalName(number: number): string {
  return byNumber.get(number) ?? `SIG${number}`;
}
