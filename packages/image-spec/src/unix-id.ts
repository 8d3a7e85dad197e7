/** The largest user and group id: the one after it means "no change" to the kernel. */
export const largestUnixId = 2 ** 32 - 2;
