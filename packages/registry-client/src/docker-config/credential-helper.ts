import { type ChildProcess, spawn } from 'node:child_process';
import { decodeJson, type JsonObject } from '@gantry/image-spec';
import { type Credentials, GantryError } from '@gantry/interface';

export interface HelperRequest {
  /** `pass` for the program `docker-credential-pass`. */
  readonly helper: string;
  /** The name that the helper knows the registry by. */
  readonly server: string;
  readonly env: NodeJS.ProcessEnv;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

const longestAnswer = 64 * 1024;
/** A helper with this name gives an identity token for a secret. */
const tokenUser = '<token>';

/**
 * Asks a credential helper (docker-credential-helpers, protocol version 1: the server's name on standard input, JSON on
 * standard output). Undefined if it knows no login. `UNAUTHORIZED` for any failure: without what the helper wrote, which
 * may hold secrets. It and all that it started are killed at the deadline, at 64 KiB of output and when the signal fires.
 */
export async function askHelper(request: HelperRequest): Promise<Credentials | undefined> {
  const { helper, server } = request;
  if (!/^[a-zA-Z0-9_.-]+$/.test(helper))
    throw failed(request, 'its name may have letters, digits, `_`, `.` and `-` only');
  const { status, output } = await run(request);
  // The one failure that the protocol tells from others, by its text on standard output.
  if (status !== 0 && /credentials not found/i.test(output)) return undefined;
  if (status !== 0)
    throw failed(request, `it ended with status ${status}; run \`echo ${server} | ${programOf(helper)} get\``);
  return readAnswer(request, output);
}

interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

function run(request: HelperRequest): Promise<Outcome> {
  const { helper, server, env, deadlineMs, signal } = request;
  return new Promise((resolve, reject) => {
    if (signal.aborted) throw signal.reason;
    // A group of its own, so that whatever it starts can be ended with it.
    const child = spawn(programOf(helper), ['get'], { env, stdio: ['pipe', 'pipe', 'ignore'], detached: true });
    const chunks: Buffer[] = [];
    let length = 0;
    const settle = (finish: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      finish();
    };
    const giveUp = (reason: unknown) => {
      killGroup(child);
      settle(() => reject(reason));
    };
    const onAbort = () => giveUp(signal.reason);
    const timer = setTimeout(() => giveUp(failed(request, `no answer within ${deadlineMs} ms`)), deadlineMs);
    signal.addEventListener('abort', onAbort, { once: true });

    child.once('error', (error: NodeJS.ErrnoException) => {
      const remedy =
        error.code === 'ENOENT' ? 'it is not installed, or not in PATH' : `it cannot be run (${error.code})`;
      settle(() => reject(failed(request, remedy)));
    });
    // One that could not be started has no streams where Node.js is out of descriptors.
    if (child.pid === undefined) return;
    child.stdout.on('data', (chunk: Buffer) => {
      length += chunk.byteLength;
      if (length > longestAnswer) giveUp(failed(request, `it wrote more than ${longestAnswer} bytes`));
      else chunks.push(chunk);
    });
    child.once('close', (status) => settle(() => resolve({ status, output: Buffer.concat(chunks).toString() })));
    // It may end without reading.
    child.stdin.on('error', () => undefined);
    child.stdin.end(server);
  });
}

/** A group outlives its first process, and its number is not given to another one as long as it does. */
function killGroup({ pid, exitCode, signalCode }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, 'SIGKILL');
  } catch (error) {
    // Nobody is left of it.
    if (exitCode === null && signalCode === null && (error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function readAnswer(request: HelperRequest, output: string): Credentials {
  const { Username: username, Secret: secret } = parse(request, output);
  if (typeof username !== 'string' || typeof secret !== 'string') throw failed(request, 'its answer has no login');
  return username === tokenUser ? { identityToken: secret } : { username, password: secret };
}

function parse(request: HelperRequest, output: string): JsonObject {
  try {
    const answer = decodeJson(Buffer.from(output), { what: 'answer', maxBytes: longestAnswer });
    return typeof answer === 'object' && answer !== null && !Array.isArray(answer) ? (answer as JsonObject) : {};
  } catch {
    // Without a cause: the parser's message may quote the secret.
    throw failed(request, 'its answer is not JSON');
  }
}

function programOf(helper: string): string {
  return `docker-credential-${helper}`;
}

function failed({ helper, server }: HelperRequest, reason: string): GantryError {
  const message = `credential helper ${JSON.stringify(helper)} for ${server}: ${reason}`;
  return new GantryError('UNAUTHORIZED', message, { details: { helper, server } });
}
