import * as is from './fields.js';

const bytes = is.integer(1, Number.MAX_SAFE_INTEGER, 'a whole number of bytes');
const amounts = { cpus: is.positive, memory: bytes };
const notNegative: is.Check = (value, field) => {
  if (value !== 0) is.positive(value, field);
};
const rate = is.integer(1, Number.MAX_SAFE_INTEGER);
const rates = { readBytes: rate, writeBytes: rate, readOperations: rate, writeOperations: rate };
const gpuNames = is.list(is.nonEmptyString);
const gpuCount = is.integer(0, 1024);
const gpus: is.Check = (value, field) => (Array.isArray(value) ? gpuNames : gpuCount)(value, field);
const unsigned = is.integer(0, 0xffff_ffff);

/** `spec.resources`, and what replaces it. */
export const resources = is.object({
  requests: is.object(amounts),
  limits: is.object({
    ...amounts,
    cpuBurst: notNegative,
    memoryHigh: bytes,
    pids: is.count,
    swap: is.integer(0, Number.MAX_SAFE_INTEGER),
    disk: bytes,
    hugepages: is.record(is.nonEmptyString, is.integer(0, Number.MAX_SAFE_INTEGER)),
  }),
  cpuIdle: is.boolean,
  cpuset: is.object({ cpus: is.nonEmptyString, mems: is.nonEmptyString }),
  io: is.object({
    weight: is.integer(10, 1000),
    devices: is.list(is.object({ device: is.nonEmptyString, ...rates }, ['device'])),
  }),
  network: is.object({ classId: unsigned, priorities: is.record(is.nonEmptyString, unsigned) }),
  gpus,
  perfEvent: is.boolean,
});
