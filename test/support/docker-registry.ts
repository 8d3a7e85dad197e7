import { serveRegistry } from './registry-server.mjs';
import { temporaryFolder } from './temporary-folder.js';

export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly address: string;
  readonly pid: number;
}

/** A docker-registry (package docker-registry) on a free port of the loopback interface, with nothing in it, for those logins or all. */
export async function dockerRegistry(logins?: string): Promise<DockerRegistry> {
  const folder = await temporaryFolder();
  try {
    const server = await serveRegistry(folder.path, logins);
    return {
      address: server.address,
      pid: server.pid,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await folder[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await folder[Symbol.asyncDispose]();
    throw error;
  }
}
