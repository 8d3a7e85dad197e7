import * as is from './fields.js';

const bytes = is.integer(1, Number.MAX_SAFE_INTEGER);
const amounts = { cpus: is.positive, memory: bytes };

/** `spec.resources`, and what replaces it. */
export const resources = is.object({
  requests: is.object(amounts),
  limits: is.object({ ...amounts, pids: is.count, swap: is.integer(0, Number.MAX_SAFE_INTEGER) }),
});
