/** How many bytes are sent through a container. */
export const streamed = 64 * 2 ** 20;

/** What is sent again and again: lines of 1 KiB. */
export const streamPiece = Buffer.alloc(2 ** 20, `${'x'.repeat(1023)}\n`);
