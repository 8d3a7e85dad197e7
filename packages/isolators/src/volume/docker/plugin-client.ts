import { request } from 'node:http';
import { GantryError } from '@gantry/interface';

const maxAnswer = 1024 * 1024;

export interface PluginClientOptions {
  readonly socket: string;
  readonly driver: string;
  /** For one call. */
  readonly timeoutMs: number;
}

/** A Docker volume plugin: JSON by POST over its Unix socket. What it answers with `Err` is a `SYSTEM` error. */
export class PluginClient {
  readonly #options: PluginClientOptions;

  constructor(options: PluginClientOptions) {
    this.#options = options;
  }

  /** `UNSUPPORTED` unless the plugin drives volumes. */
  async activate(): Promise<void> {
    const { Implements: roles } = await this.#call('Plugin.Activate', {});
    if (Array.isArray(roles) && roles.includes('VolumeDriver')) return;
    throw this.#error('UNSUPPORTED', 'Plugin.Activate', 'it is no VolumeDriver');
  }

  /** Makes a volume unless the plugin has it. */
  async ensure(name: string, options: Readonly<Record<string, string>>): Promise<void> {
    if (await this.get(name)) return;
    await this.#call('VolumeDriver.Create', { Name: name, Opts: options });
  }

  /** The volume, with where it is mounted if it is; undefined if there is none. */
  async get(name: string): Promise<{ readonly mountpoint: string } | undefined> {
    let answer: Record<string, unknown>;
    try {
      answer = await this.#call('VolumeDriver.Get', { Name: name });
    } catch (error) {
      // There is no telling an absent volume from another failure, but by what the next call says.
      if ((error as GantryError).code === 'SYSTEM' && (error as GantryError).details['answered'] === true)
        return undefined;
      throw error;
    }
    const { Volume: volume } = answer as { readonly Volume?: { readonly Mountpoint?: unknown } | null };
    return volume ? { mountpoint: typeof volume.Mountpoint === 'string' ? volume.Mountpoint : '' } : undefined;
  }

  /** Where the volume is mounted now. */
  async mount(name: string, id: string): Promise<string> {
    const { Mountpoint: path } = await this.#call('VolumeDriver.Mount', { Name: name, ID: id });
    if (typeof path === 'string' && path.startsWith('/') && !path.includes('\0')) return path;
    throw this.#error('SYSTEM', 'VolumeDriver.Mount', 'it gave no absolute path');
  }

  async unmount(name: string, id: string): Promise<void> {
    await this.#call('VolumeDriver.Unmount', { Name: name, ID: id });
  }

  #call(method: string, body: object): Promise<Record<string, unknown>> {
    const { socket, timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const fail = (problem: string, cause?: unknown) => reject(this.#error('UNREACHABLE', method, problem, cause));
      const headers = { accept: 'application/vnd.docker.plugins.v1.2+json', 'content-type': 'application/json' };
      const call = request({ socketPath: socket, path: `/${method}`, method: 'POST', headers, timeout: timeoutMs });
      call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
      call.on('error', (error) => fail(error.message, error));
      call.on('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > maxAnswer) call.destroy(new Error('the answer is too long'));
          else chunks.push(chunk);
        });
        response.on('error', (error) => fail(error.message, error));
        response.on('end', () => {
          const answer = parsed(Buffer.concat(chunks).toString());
          const problem = typeof answer?.['Err'] === 'string' ? answer['Err'] : '';
          if (answer && problem === '' && response.statusCode === 200) resolve(answer);
          else
            reject(
              this.#error(
                'SYSTEM',
                method,
                problem || `it answered with status ${response.statusCode}`,
                undefined,
                true,
              ),
            );
        });
      });
      call.end(JSON.stringify(body));
    });
  }

  #error(
    code: 'SYSTEM' | 'UNREACHABLE' | 'UNSUPPORTED',
    method: string,
    problem: string,
    cause?: unknown,
    answered = false,
  ): GantryError {
    const { driver, socket } = this.#options;
    return new GantryError(code, `docker/volume: ${method} of the plugin ${driver} (${socket}): ${problem}`, {
      cause,
      details: { isolator: 'docker/volume', driver, method, answered },
    });
  }
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
