import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { abortedError, type CallOptions, GantryError, isGantryError } from '@gantry/interface';

const maxAnswer = 1024 * 1024;

/** Whether the plugin itself said that it could not do what it was asked. */
export function isAnswer(error: unknown): boolean {
  return isGantryError(error, 'SYSTEM') && error.details['answered'] === true;
}

export interface PluginClientOptions {
  readonly socket: string;
  readonly driver: string;
  /** For one call, to the end of its answer. */
  readonly timeoutMs: number;
}

type PluginCallOptions = Pick<CallOptions, 'signal'>;

/**
 * A Docker volume plugin: JSON by POST over its Unix socket. What it answers with `Err` is a `SYSTEM` error, no answer in time
 * `TIMEOUT`, none at all `UNREACHABLE`.
 */
export class PluginClient {
  readonly #options: PluginClientOptions;

  constructor(options: PluginClientOptions) {
    this.#options = options;
  }

  /** `UNSUPPORTED` unless the plugin drives volumes. */
  async activate(options?: PluginCallOptions): Promise<void> {
    const { Implements: roles } = await this.#call('Plugin.Activate', {}, options);
    if (Array.isArray(roles) && roles.includes('VolumeDriver')) return;
    throw this.#error('UNSUPPORTED', 'Plugin.Activate', 'it is no VolumeDriver');
  }

  /** Makes a volume unless the plugin has it. */
  async ensure(
    name: string,
    driverOptions: Readonly<Record<string, string>>,
    options?: PluginCallOptions,
  ): Promise<void> {
    if (await this.get(name, options)) return;
    await this.#call('VolumeDriver.Create', { Name: name, Opts: driverOptions }, options);
  }

  /** The volume, with where it is mounted if it is; undefined if there is none. */
  async get(name: string, options?: PluginCallOptions): Promise<{ readonly mountpoint: string } | undefined> {
    let answer: Record<string, unknown>;
    try {
      answer = await this.#call('VolumeDriver.Get', { Name: name }, options);
    } catch (error) {
      // There is no telling an absent volume from another failure, but by what the next call says.
      if (isAnswer(error)) return undefined;
      throw error;
    }
    const { Volume: volume } = answer as { readonly Volume?: { readonly Mountpoint?: unknown } | null };
    return volume ? { mountpoint: typeof volume.Mountpoint === 'string' ? volume.Mountpoint : '' } : undefined;
  }

  /** Where the volume is mounted now. */
  async mount(name: string, id: string, options?: PluginCallOptions): Promise<string> {
    const { Mountpoint: path } = await this.#call('VolumeDriver.Mount', { Name: name, ID: id }, options);
    if (typeof path === 'string' && path.startsWith('/') && !path.includes('\0')) return path;
    throw this.#error('SYSTEM', 'VolumeDriver.Mount', 'it gave no absolute path');
  }

  async unmount(name: string, id: string, options?: PluginCallOptions): Promise<void> {
    await this.#call('VolumeDriver.Unmount', { Name: name, ID: id }, options);
  }

  async #call(method: string, body: object, { signal }: PluginCallOptions = {}): Promise<Record<string, unknown>> {
    const { socket, timeoutMs } = this.#options;
    const deadline = AbortSignal.timeout(timeoutMs);
    let answer: Answer;
    try {
      answer = await post(socket, method, body, signal ? AbortSignal.any([signal, deadline]) : deadline);
    } catch (cause) {
      if (signal?.aborted) throw abortedError(signal, `docker/volume: ${method} of the plugin ${this.#options.driver}`);
      if (deadline.aborted) throw this.#error('TIMEOUT', method, `no answer within ${timeoutMs} ms`, { cause });
      throw this.#error('UNREACHABLE', method, cause instanceof Error ? cause.message : String(cause), { cause });
    }
    const fields = parsed(answer.text);
    const problem = typeof fields?.['Err'] === 'string' ? fields['Err'] : '';
    if (fields && problem === '' && answer.status === 200) return fields;
    const other = fields ? `it answered with status ${answer.status}` : 'its answer is no JSON object';
    throw this.#error('SYSTEM', method, problem || other, { answered: true });
  }

  #error(
    code: 'SYSTEM' | 'TIMEOUT' | 'UNREACHABLE' | 'UNSUPPORTED',
    method: string,
    problem: string,
    { cause, answered = false }: { readonly cause?: unknown; readonly answered?: boolean } = {},
  ): GantryError {
    const { driver, socket } = this.#options;
    return new GantryError(code, `docker/volume: ${method} of the plugin ${driver} (${socket}): ${problem}`, {
      ...(cause === undefined ? {} : { cause }),
      details: { isolator: 'docker/volume', driver, method, answered },
    });
  }
}

interface Answer {
  readonly status: number | undefined;
  readonly text: string;
}

/** On a connection of its own: one that is kept may be of a plugin that has been replaced meanwhile. */
async function post(socketPath: string, method: string, body: object, signal: AbortSignal): Promise<Answer> {
  const headers = { accept: 'application/vnd.docker.plugins.v1.2+json', 'content-type': 'application/json' };
  const call = request({ socketPath, path: `/${method}`, method: 'POST', headers, agent: false, signal });
  // Once there is a response, that tells of it.
  call.on('error', () => undefined);
  call.end(JSON.stringify(body));
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxAnswer) throw new Error(`the answer is longer than ${maxAnswer} bytes`);
    chunks.push(chunk);
  }
  return { status: response.statusCode, text: Buffer.concat(chunks).toString() };
}

/** Undefined for what is no JSON object. */
function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
