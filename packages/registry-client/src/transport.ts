/** One HTTP request. Neither redirects nor decompression nor retries are the transport's business. */
export interface TransportRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its length is in `headers`. Iterated as fast as the peer takes it, and ended when the request ends early. */
  readonly body?: AsyncIterable<Uint8Array>;
  /** Lets the memory of each chunk of the response be written over once the next one is asked for. Default false. */
  readonly lend?: boolean;
  /** Aborting it ends the request, or the body of the response, at once. */
  readonly signal: AbortSignal;
}

/** The head of a response, and its body as it comes. */
export interface TransportResponse {
  readonly status: number;
  /** Names in lower case; of a repeated header the values joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  /** As sent, not decompressed. Ending the iteration early ends the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * Sends one request and gives its one response, whatever its status. The seam for another HTTP library.
 * It fails with an error whose `code` is that of Node.js (`ECONNREFUSED`, `ENOTFOUND`, …) and that holds no header of the request.
 */
export interface Transport {
  send(request: TransportRequest): Promise<TransportResponse>;
}
