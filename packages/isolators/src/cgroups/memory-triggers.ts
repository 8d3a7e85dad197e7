import type { MemoryPressureTrigger } from '@gantry/interface';
import { invalidField } from '../errors.js';

/** `INVALID_ARGUMENT` for a trigger that no kernel has. */
export function checkTriggers(pressure: readonly MemoryPressureTrigger[]): void {
  pressure.forEach((trigger, index) => {
    const field = `pressure[${index}]`;
    if ('level' in trigger) {
      if (['low', 'medium', 'critical'].includes(trigger.level)) return;
      throw invalidField(`${field}.level`, `must be low, medium or critical, not '${trigger.level}'`);
    }
    const { of, stallMs, windowMs } = trigger;
    if (of !== 'some' && of !== 'full') throw invalidField(`${field}.of`, `must be some or full, not '${of}'`);
    if (!Number.isSafeInteger(windowMs) || windowMs < 500 || windowMs > 10_000) {
      throw invalidField(`${field}.windowMs`, `must be a whole number from 500 to 10000, not ${windowMs}`);
    }
    if (!Number.isSafeInteger(stallMs) || stallMs < 1 || stallMs > windowMs) {
      throw invalidField(`${field}.stallMs`, `must be a whole number from 1 to windowMs, not ${stallMs}`);
    }
  });
}
