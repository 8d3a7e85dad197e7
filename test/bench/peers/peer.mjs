/**
 * Another engine, with its client or its API, on the image that Gantry launches.
 * @typedef {object} Peer
 * @property {string} name Of its figures.
 * @property {readonly string[]} commands Programs that it needs.
 * @property {(place: Place) => Promise<StartedPeer>} start Takes the image in, and starts a container to start others' processes in.
 */

/**
 * @typedef {object} Place
 * @property {string} folder An empty one, for everything that it writes.
 * @property {string} archive The image, as `docker save` writes it.
 * @property {string} reference Under which it is in there.
 * @property {string} cgroup Path of the control group for its containers, from the root of every tree.
 * @property {string} timeExec The program that times a command.
 * @property {import('../pull/sandbox.mjs').Sandbox} sandbox
 */

/**
 * @typedef {object} StartedPeer
 * @property {() => Promise<number>} launch Runs /bin/true in a new container; milliseconds.
 * @property {() => Promise<number>} exec Runs /bin/true in a container that runs; milliseconds.
 * @property {() => Promise<number>} [echo] Has cat give back what it was sent; MiB a second.
 * @property {() => Promise<void>} close Ends what it started.
 */

export const launched = ['/bin/true'];
/** Does nothing for longer than any benchmark takes. */
export const idle = ['/bin/sleep', '100000'];
