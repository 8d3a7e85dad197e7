import * as is from './fields.js';

const permissions: is.Check = (value, field) => {
  if (typeof value !== 'string' || !/^(?!.*(.).*\1)[rwm]+$/.test(value)) {
    throw is.invalid(field, "must be one or more of 'r', 'w' and 'm', each once");
  }
};

/** What a CDI device is called is for the isolator that serves it to say. */
const cdiDevice = is.object({ cdi: is.nonEmptyString }, ['cdi']);
const hostDevice = is.object({ path: is.absolutePath, containerPath: is.absolutePath, permissions }, ['path']);

/** One item of `spec.devices`. */
export const device: is.Check = (value, field) => {
  const isCdi = typeof value === 'object' && value !== null && 'cdi' in value;
  (isCdi ? cdiDevice : hostDevice)(value, field);
};
