import { GantryError, toGantryError } from '@gantry/interface';

/** What a failed attempt says about another one. */
export interface FaultAdvice {
  /** The most attempts that make sense for this fault, the failed one included. 1: do not try again. */
  readonly attempts: number;
  /** What the server asked to wait. */
  readonly waitMs?: number;
  /** `no-tls`: the peer answered, but not in TLS. `refused`: nothing listens. */
  readonly kind?: 'no-tls' | 'refused';
}

/** A failed attempt: the error to give to the caller if it was the last one, and whether it needs to be. */
export class Fault extends Error {
  readonly error: GantryError;
  readonly advice: FaultAdvice;

  constructor(error: GantryError, advice: FaultAdvice) {
    super(error.message, { cause: error });
    this.name = 'Fault';
    this.error = error;
    this.advice = advice;
  }
}

export const never: FaultAdvice = { attempts: 1 };
export const again: FaultAdvice = { attempts: Number.POSITIVE_INFINITY };

/** A failure of work that several calls share, as one of them is to tell it. */
export function faultOf(what: string, error: unknown): unknown {
  if (!(error instanceof Fault)) return error;
  const { code, message, details, cause } = error.error;
  return new Fault(new GantryError(code, `${what}: ${message}`, { details, cause }), error.advice);
}

/** What a caller gets to see of a failure. */
export function publicError(error: unknown, what: string): GantryError {
  return error instanceof Fault ? error.error : toGantryError(error, what);
}
