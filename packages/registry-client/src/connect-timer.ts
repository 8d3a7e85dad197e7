import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';

/** What axios asks of the module that makes requests. */
interface RequestMaker {
  request(options: http.RequestOptions, onResponse: (response: http.IncomingMessage) => void): http.ClientRequest;
}

/**
 * node:http and node:https with a limit on the time until a connection stands; a reused one stands already. `onHead` is
 * called while the head of the response is being parsed.
 */
export function connectWithin(limitMs: number, onHead: (response: http.IncomingMessage) => void): RequestMaker {
  return {
    request(options, onResponse) {
      const secure = options.protocol === 'https:';
      const request = (secure ? https : http).request(options, (response) => {
        onHead(response);
        onResponse(response);
      });
      const timer = setTimeout(() => {
        const error = new Error(`no connection within ${limitMs} ms`);
        request.destroy(Object.assign(error, { code: 'ETIMEDOUT', syscall: 'connect' }));
      }, limitMs);
      const stop = () => clearTimeout(timer);
      request.once('close', stop);
      request.once('socket', (socket: Socket) => {
        if (request.reusedSocket) stop();
        else socket.once(secure ? 'secureConnect' : 'connect', stop);
      });
      return request;
    },
  };
}
