import { GantryError, throwIfAborted } from '@gantry/interface';
import { Client, type ClientUnaryCall, credentials, type ServiceError } from '@grpc/grpc-js';
import { fromJSON, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import { csiMessages } from './messages.js';

const definitions = fromJSON(csiMessages, {
  keepCase: true,
  longs: Number,
  defaults: true,
  arrays: true,
  objects: true,
});

export type CsiService = 'Identity' | 'Controller' | 'Node';
export type CsiAnswer = Readonly<Record<string, unknown>>;

/** What a driver that has come back is found by soon: by default the wait grows to two minutes, for all clients of a socket. */
const connection = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.use_local_subchannel_pool': 1,
};

interface CsiRequest {
  readonly secrets?: Readonly<Record<string, string>>;
}

/**
 * Calls of one socket of a driver. A failure is a `SYSTEM` error with the status's name in `details.status`, `UNREACHABLE`,
 * `TIMEOUT` or `ABORTED`. It has the driver's own words, without the secrets of the request.
 */
export class CsiClient {
  readonly #client: Client;

  constructor(
    readonly driver: string,
    socket: string,
    private readonly timeoutMs: number,
  ) {
    this.#client = new Client(`unix://${socket}`, credentials.createInsecure(), connection);
  }

  async call(
    service: CsiService,
    method: string,
    request: CsiRequest & object,
    signal?: AbortSignal,
  ): Promise<CsiAnswer> {
    throwIfAborted(signal, `volume/csi: ${method} of the driver ${this.driver}`);
    const definition = methodOf(service, method);
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, answer?: CsiAnswer) => {
        signal?.removeEventListener('abort', cancel);
        if (error) reject(this.#error(method, error, request));
        else resolve(answer ?? {});
      };
      const call: ClientUnaryCall = this.#client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize as (value: object) => Buffer,
        definition.responseDeserialize as (bytes: Buffer) => CsiAnswer,
        request,
        { deadline: Date.now() + this.timeoutMs },
        done,
      );
      const cancel = () => call.cancel();
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  close(): void {
    this.#client.close();
  }

  #error(method: string, { code, details: words }: ServiceError, { secrets = {} }: CsiRequest): GantryError {
    const status = statusNames[code] ?? `${code}`;
    const details = withoutSecrets(words, Object.values(secrets));
    return new GantryError(
      code === 14 ? 'UNREACHABLE' : code === 4 ? 'TIMEOUT' : code === 1 ? 'ABORTED' : 'SYSTEM',
      `volume/csi: ${method} of the driver ${this.driver}: ${status}${details ? `: ${details}` : ''}`,
      { details: { isolator: 'volume/csi', driver: this.driver, method, status } },
    );
  }
}

/** The longest first: another may be a part of it. */
function withoutSecrets(text: string, secrets: readonly string[]): string {
  const longestFirst = secrets.filter((secret) => secret !== '').sort((a, b) => b.length - a.length);
  return longestFirst.reduce((rest, secret) => rest.replaceAll(secret, '<secret>'), text);
}

function methodOf(service: CsiService, method: string): MethodDefinition<object, object> {
  const found = (definitions[`csi.v1.${service}`] as ServiceDefinition | undefined)?.[method];
  if (!found) throw new GantryError('UNSUPPORTED', `volume/csi: there is no ${service}.${method}`);
  return found;
}

/** gRPC's status codes. */
const statusNames: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];
