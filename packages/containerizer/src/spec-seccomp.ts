import * as is from './fields.js';

/** A profile's rules are checked by the isolator, which reads those of files too. */
export const seccomp: is.Check = (value, field) => {
  if (typeof value === 'string') is.oneOf('default', 'unconfined')(value, field);
  else if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw is.invalid(field, "must be 'default', 'unconfined', a profile, or { path } of one");
  } else if ('path' in value) is.object({ path: is.absolutePath })(value, field);
  else if (!('defaultAction' in value)) throw is.invalid(`${field}.defaultAction`, 'is required');
  else is.json(value, field);
};
