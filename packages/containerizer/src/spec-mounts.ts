import * as is from './fields.js';

/** One item of `spec.mounts`. */
export const mount: is.Check = (value, field) => {
  const type = (value as { type?: unknown } | null)?.type;
  if (type === 'bind') {
    const fields = { type: is.string, source: is.absolutePath, target: is.absolutePath, readonly: is.boolean };
    is.object(fields, ['source', 'target'])(value, field);
  } else if (type === 'tmpfs') {
    const fields = {
      type: is.string,
      target: is.absolutePath,
      size: is.integer(4096, Number.MAX_SAFE_INTEGER),
      mode: is.integer(0, 0o7777),
    };
    is.object(fields, ['target'])(value, field);
  } else {
    throw is.invalid(`${field}.type`, 'must be one of bind, tmpfs');
  }
};
