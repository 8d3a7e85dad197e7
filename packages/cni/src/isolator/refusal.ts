import { type ErrorDetails, GantryError } from '@gantry/interface';

export const name = 'network/cni';

/** The `REFUSED` error of this isolator: what it cannot meet and what to do about it. */
export function refused(problem: string, remedy: string, details: ErrorDetails = {}, cause?: unknown): GantryError {
  return new GantryError('REFUSED', `${name}: ${problem}; ${remedy}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { isolator: name, ...details },
  });
}
