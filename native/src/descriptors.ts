/** The addon's calls about descriptors that processes hand to each other. One that fails throws a Node.js system error. */
export interface DescriptorAddon {
  /** A pipe, closed on exec. The caller owns both ends. */
  pipe(): { readonly read: number; readonly write: number };
  /** A stream socket connected to the Unix socket at a path; `EAGAIN` if its queue is full. The caller owns it. */
  connectUnix(path: string): number;
  /** Sends bytes, at least one, with copies of up to 16 descriptors (SCM_RIGHTS). Returns how many of the bytes went. */
  sendDescriptors(socket: number, bytes: Uint8Array, descriptors: readonly number[]): number;
}
