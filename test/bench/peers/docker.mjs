import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { startDocker } from '../pull/docker.mjs';
import { streamed, streamPiece } from '../stream.mjs';
import { DockerApi } from './docker-api.mjs';
import { idle, launched } from './peer.mjs';

const frameHead = 8;

/** @type {import('./peer.mjs').Peer} */
export const docker = {
  name: 'docker',
  commands: ['dockerd', 'containerd', 'runc'],
  async start({ folder, archive, reference, cgroup, sandbox }) {
    const daemon = await startDocker({ folder, sandbox });
    const api = new DockerApi(join(folder, 'docker.sock'));
    /** @param {readonly string[]} command @param {object} [more] */
    const create = async (command, more) => {
      const host = { NetworkMode: 'none', CgroupParent: cgroup };
      const spec = { Image: reference, Cmd: command, HostConfig: host, ...more };
      return String((await api.call('POST', '/containers/create', spec)).Id);
    };
    await api.load(archive);
    const box = await create(idle);
    await api.call('POST', `/containers/${box}/start`);
    return {
      async launch() {
        const start = performance.now();
        const id = await create(launched);
        await api.call('POST', `/containers/${id}/start`);
        const { StatusCode } = await api.call('POST', `/containers/${id}/wait`);
        const end = performance.now();
        await api.call('DELETE', `/containers/${id}`);
        succeed(StatusCode);
        return end - start;
      },
      async exec() {
        const start = performance.now();
        const { Id } = await api.call('POST', `/containers/${box}/exec`, { Cmd: launched, AttachStdout: true });
        // The answer lasts as long as the process does.
        await api.call('POST', `/exec/${Id}/start`, { Detach: false, Tty: false });
        const { ExitCode } = await api.call('GET', `/exec/${Id}/json`);
        const end = performance.now();
        succeed(ExitCode);
        return end - start;
      },
      async echo() {
        const id = await create(['/bin/cat'], { OpenStdin: true, StdinOnce: true });
        const socket = await api.hijack(`/containers/${id}/attach?stream=1&stdin=1&stdout=1`);
        await api.call('POST', `/containers/${id}/start`);
        const start = performance.now();
        const sending = (async () => {
          for (let sent = 0; sent < streamed; sent += streamPiece.length) {
            await new Promise((resolve) => socket.write(streamPiece, resolve));
          }
          socket.end();
        })();
        const received = await countPayload(socket);
        await sending;
        const seconds = (performance.now() - start) / 1000;
        if (received !== streamed) throw new Error(`docker: ${received} of ${streamed} bytes came back`);
        return streamed / 2 ** 20 / seconds;
      },
      async close() {
        api.close();
        await daemon.close();
      },
    };
  },
};

/** @param {number} status */
function succeed(status) {
  if (status !== 0) throw new Error(`docker: the run ended with status ${status}`);
}

/**
 * The bytes in frames of a stream's number, three zeros, a length of 32 bits, and so many bytes.
 * @param {import('node:stream').Duplex} socket
 */
async function countPayload(socket) {
  let count = 0;
  let head = Buffer.alloc(0);
  let left = 0;
  for await (const chunk of socket) {
    for (let at = 0; at < chunk.length; ) {
      if (left === 0) {
        const taken = chunk.subarray(at, at + frameHead - head.length);
        head = Buffer.concat([head, taken]);
        at += taken.length;
        if (head.length < frameHead) continue;
        left = head.readUInt32BE(4);
        head = Buffer.alloc(0);
      }
      const payload = Math.min(left, chunk.length - at);
      count += payload;
      left -= payload;
      at += payload;
    }
  }
  return count;
}
