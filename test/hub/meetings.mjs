import { text } from 'node:stream/consumers';
import { eventually } from '../support/eventually.mjs';
import { converse } from './conversations.mjs';

/** Milliseconds; programs take their time to start and to stop, more of it on a busy machine. */
export const patience = 120_000;

/** @typedef {import('@gantry/interface').Containerizer} Containerizer */

/**
 * What the program of a container says once it listens.
 *
 * @param {Containerizer} containerizer
 * @param {string} id
 * @param {Pick<import('./shapes.js').Shape, 'port' | 'say' | 'answer'>} shape
 */
export function answerOf(containerizer, id, { port, say, answer }) {
  const tryOnce = async () => {
    try {
      const connection = await containerizer.connect(id, port);
      return await converse(connection, say, answer).finally(() => connection.destroy());
    } catch (error) {
      const { state } = await containerizer.status(id);
      if (state === 'RUNNING') return `${error}`;
      throw new Error(`it ended: ${await logOf(containerizer, id)}`, { cause: error });
    }
  };
  return eventually(tryOnce, (heard) => answer.test(heard), patience);
}

/**
 * The users, by the container's own names, of all that runs in it.
 *
 * @param {Containerizer} containerizer
 * @param {string} id
 * @returns {Promise<readonly string[]>}
 */
export async function usersOf(containerizer, id) {
  const script = `while IFS=: read -r name _ id _; do echo $name $id; done </etc/passwd
    for process in /proc/[0-9]*; do while read -r key uid _; do [ $key != Uid: ] || echo $uid; done <$process/status; done`;
  const lines = (await outputOf(containerizer, id, ['/bin/sh', '-c', script])).split('\n');
  const named = lines.map((line) => line.split(' ')).filter(([, uid]) => uid !== undefined && uid !== '0');
  const names = new Map(named.map(([name, uid]) => [uid, name]));
  return lines.filter((line) => /^\d+$/.test(line)).map((uid) => names.get(uid) ?? uid);
}

/**
 * @param {Containerizer} containerizer
 * @param {string} id
 * @param {readonly string[]} command
 */
export async function outputOf(containerizer, id, command) {
  const started = await containerizer.exec(id, { command });
  try {
    return (await text(started.stdout)) + (await text(started.stderr));
  } finally {
    await started[Symbol.asyncDispose]();
  }
}

/**
 * @param {Containerizer} containerizer
 * @param {string} id
 */
export async function logOf(containerizer, id) {
  let output = '';
  for await (const { data } of containerizer.logs(id)) output += Buffer.from(data).toString();
  return output;
}
