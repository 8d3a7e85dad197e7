import * as is from './fields.js';

/** What the kernel takes: KTIME_SEC_MAX halves. time_namespaces(7). */
const seconds = is.integer(-4_611_686_018, 4_611_686_018);

/** `spec.timeOffsets`. */
export const timeOffsets: is.Check = is.object({ monotonic: seconds, boottime: seconds });
