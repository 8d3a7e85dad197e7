import * as is from './fields.js';

const permissions: is.Check = (value, field) => {
  if (typeof value !== 'string' || !/^(?!.*(.).*\1)[rwm]+$/.test(value)) {
    throw is.invalid(field, "must be one or more of 'r', 'w' and 'm', each once");
  }
};

/** One item of `spec.devices`. */
export const device = is.object({ path: is.absolutePath, containerPath: is.absolutePath, permissions }, ['path']);
