/**
 * Layers as overlayfs wants them named.
 * @param {readonly string[]} layers Lowest first.
 */
export const lowerdir = (layers) => layers.toReversed().join(':');
