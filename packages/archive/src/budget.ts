import { GantryError } from '@gantry/interface';

/** What one layer may cost before it is refused with `LIMIT_EXCEEDED`. */
export interface UnpackBudget {
  /** Bytes of the uncompressed archive, and, counted apart, of the files in it with their holes filled. Default 64 GiB. */
  readonly bytes: number;
  /** Entries, and folders made because an entry's parent was missing. Default 2 000 000. */
  readonly entries: number;
  /**
   * Uncompressed bytes for each byte of the whole compressed blob; a layer below 16 MiB is never refused for it.
   * Default 1100: gzip cannot pass 1032, so an honest gzip layer of nothing but zeros still unpacks.
   */
  readonly ratio: number;
  /** Bytes of one extended header (PAX, GNU long name or link) or sparse map. Default 1 MiB. */
  readonly headerBytes: number;
}

/** The budget where the caller names none. */
export const defaultBudget: UnpackBudget = {
  bytes: 64 * 2 ** 30,
  entries: 2_000_000,
  ratio: 1100,
  headerBytes: 2 ** 20,
};

const ratioFloor = 16 * 2 ** 20;

/** Fills in the defaults. `INVALID_ARGUMENT` for a limit that is not a positive number. */
export function completeBudget(budget: Partial<UnpackBudget> = {}): UnpackBudget {
  const complete: { -readonly [field in keyof UnpackBudget]: number } = { ...defaultBudget };
  for (const field of Object.keys(defaultBudget) as (keyof UnpackBudget)[]) {
    const value = budget[field];
    if (value === undefined) continue;
    if (!(value > 0)) {
      throw new GantryError('INVALID_ARGUMENT', `budget.${field}: ${value} is not a positive number`, {
        details: { field: `budget.${field}` },
      });
    }
    complete[field] = value;
  }
  return complete;
}

/** The `LIMIT_EXCEEDED` error of one budget field. */
export function overBudget(field: keyof UnpackBudget, limit: number, what: string): GantryError {
  return new GantryError(
    'LIMIT_EXCEEDED',
    `archive: ${what} goes over the budget of ${limit}; if the layer is to be trusted, raise budget.${field}`,
    { details: { field: `budget.${field}`, limit } },
  );
}

/** Throws `LIMIT_EXCEEDED` if that much came out of a blob of that many compressed bytes. */
export function checkRatio(budget: UnpackBudget, uncompressed: number, compressed: number): void {
  if (uncompressed > ratioFloor && uncompressed > compressed * budget.ratio) {
    throw overBudget('ratio', budget.ratio, 'the compression ratio');
  }
}
