import { createReadStream } from 'node:fs';
import { Agent, request } from 'node:http';
import { text } from 'node:stream/consumers';

/** Speaks with dockerd over its socket, on connections that are kept. */
export class DockerApi {
  #agent = new Agent({ keepAlive: true });
  #socketPath;

  /** @param {string} socketPath */
  constructor(socketPath) {
    this.#socketPath = socketPath;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body] Sent as JSON.
   * @returns {Promise<any>} The JSON of the answer; undefined if it has none.
   */
  async call(method, path, body) {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    const answer = await this.#send(method, path, { 'content-type': 'application/json' }, (to) => to.end(sent));
    return answer.startsWith('{') ? JSON.parse(answer) : undefined;
  }

  /** Takes in the images of an archive. @param {string} archive */
  async load(archive) {
    await this.#send('POST', '/images/load', { 'content-type': 'application/x-tar' }, (to) =>
      createReadStream(archive).pipe(to),
    );
  }

  /**
   * A connection that carries the streams of a container.
   * @param {string} path
   * @returns {Promise<import('node:stream').Duplex>}
   */
  hijack(path) {
    return new Promise((resolve, reject) => {
      const headers = { connection: 'Upgrade', upgrade: 'tcp' };
      const options = { socketPath: this.#socketPath, method: 'POST', path, headers };
      request(options)
        .on('upgrade', (_, socket) => resolve(socket))
        .on('response', ({ statusCode }) => reject(new Error(`dockerd: ${path}: status ${statusCode}`)))
        .on('error', reject)
        .end();
    });
  }

  close() {
    this.#agent.destroy();
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Record<string, string>} headers
   * @param {(to: import('node:http').ClientRequest) => void} write
   * @returns {Promise<string>}
   */
  #send(method, path, headers, write) {
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.#socketPath, agent: this.#agent, method, path, headers };
      const call = request(options, (response) => {
        const { statusCode = 0 } = response;
        text(response).then((answer) => {
          if (statusCode < 400) resolve(answer);
          else reject(new Error(`dockerd: ${method} ${path}: status ${statusCode}: ${answer}`));
        }, reject);
      });
      call.on('error', reject);
      write(call);
    });
  }
}
