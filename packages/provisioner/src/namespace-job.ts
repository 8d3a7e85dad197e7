import { startWorker } from '@gantry/archive';
import { abortedError, type BackendAbility, type BackendName, throwIfAborted } from '@gantry/interface';

/** What the worker in a user namespace is to do. */
export type NamespaceJob =
  | { readonly type: 'trial'; readonly backend: BackendName; readonly folder: string }
  | { readonly type: 'copy'; readonly layers: readonly string[]; readonly to: string };

/** What it tells; the last one is `ability`, `copied` with `done`, or `failed`. */
export type NamespaceResponse =
  | { readonly type: 'ability'; readonly ability: BackendAbility }
  | { readonly type: 'copied'; readonly done: boolean; readonly entries: number; readonly bytes: number }
  | {
      readonly type: 'failed';
      readonly message: string;
      readonly errno: string | undefined;
      readonly syscall: string | undefined;
    };

/** Has a job done, and resolves with the last that was told. Rejects with what a system call would have thrown here. */
export async function runInNamespace(
  job: NamespaceJob,
  what: string,
  signal?: AbortSignal,
  onResponse: (response: NamespaceResponse) => void = () => undefined,
): Promise<NamespaceResponse> {
  throwIfAborted(signal, what);
  const worker = startWorker(new URL('./namespace-worker.js', import.meta.url), {
    name: `gantry-${job.type}`,
    data: job,
  });
  const abort = () => void worker.terminate();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    let last: NamespaceResponse | undefined;
    let fault: unknown = new Error(`${what}: the worker has ended`);
    await new Promise<void>((resolve) => {
      worker.on('message', (response: NamespaceResponse) => {
        last = response;
        onResponse(response);
      });
      worker.on('error', (error: unknown) => {
        fault = error;
      });
      worker.once('exit', () => resolve());
    });
    if (signal?.aborted) throw abortedError(signal, what);
    if (!last) throw fault;
    if (last.type === 'failed') {
      throw Object.assign(new Error(last.message), { code: last.errno, syscall: last.syscall });
    }
    return last;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}
