import { Duplex } from 'node:stream';
import { type CallOptions, GantryError, isGantryError, type LaunchRequest, throwIfAborted } from '@gantry/interface';
import { compileConnect } from '../compile/enter.js';
import { startEntered } from './enter.js';

const maxPort = 65_535;

/** See `LaunchedContainer.connect`. */
export async function dialContainer(
  request: LaunchRequest,
  port: number,
  { signal }: CallOptions = {},
): Promise<Duplex> {
  const { id } = request;
  if (!Number.isInteger(port) || port < 1 || port > maxPort) {
    throw new GantryError('INVALID_ARGUMENT', `container ${id}: ${port} is not a port from 1 to ${maxPort}`, {
      details: { field: 'port' },
    });
  }
  const what = `connecting to port ${port} of container ${id}`;
  throwIfAborted(signal, what);
  try {
    const relay = await startEntered(request, compileConnect(request, port), what, signal);
    const { stdin: writable, stdout: readable } = relay;
    // Nobody writes to it.
    relay.stderr.destroy();
    const connection = Duplex.from({ writable, readable });
    const end = () => void relay[Symbol.asyncDispose]();
    connection.once('close', end);
    return connection;
  } catch (error) {
    if (isGantryError(error, 'LAUNCH_FAILED') && error.details['name'] === 'connect') {
      throw new GantryError('UNREACHABLE', `${what}: ${String(error.details['errno'])}: nobody listens there`, {
        cause: error,
        details: { id, port, errno: error.details['errno'] },
      });
    }
    throw error;
  }
}
