import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds for which a port that was given up a moment ago may still be in use. */
const longest = 1000;
const interval = 20;

/**
 * Has a program bind ports that were held for it until now, again and again for a while if they are in use: a process that is being started
 * has copies of the host program's descriptors until its exec, the sockets among them that held the ports.
 */
export async function bindHeldPorts(bind: () => Promise<void>, areInUse: (error: unknown) => boolean): Promise<void> {
  const deadline = performance.now() + longest;
  for (;;) {
    try {
      return await bind();
    } catch (error) {
      if (!areInUse(error) || performance.now() > deadline) throw error;
    }
    await sleep(interval);
  }
}
