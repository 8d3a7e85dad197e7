/** A descriptor that the event loop watches until `close`, which leaves the descriptor itself to who opened it. */
export interface PollWatch {
  /** No more calls come. Close the watch before the descriptor. Does nothing the second time. */
  close(): void;
}

/** The addon's calls for files by which the kernel tells that something has happened. */
export interface PollAddon {
  /**
   * Calls back whenever poll(2) finds the descriptor `readable` (POLLIN) or to have something of `priority` (POLLPRI, as files of
   * control groups), from the event loop and again until whatever tells that has been read. Keeps the program from ending.
   * Throws EPERM for a file that is always ready, as ordinary ones are.
   */
  readonly PollWatch: new (
    fd: number,
    events: 'readable' | 'priority',
    onEvent: () => void,
  ) => PollWatch;
  /** A new eventfd(2), which does not block; the caller closes it. */
  eventFd(): number;
}
