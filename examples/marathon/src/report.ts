import type { Application } from './application.js';
import type { Deployment } from './deploy.js';

/** The short table that closes a deployment. */
export function report(app: Application, deployment: Deployment): string {
  const { found, pullMs, status, usage, replies, ended } = deployment;
  const { timings } = status;
  const mib = (bytes: number | undefined) => (bytes === undefined ? '?' : `${(bytes / 2 ** 20).toFixed(1)} MiB`);
  const ms = (...steps: readonly string[]) =>
    `${steps.reduce((sum, step) => sum + (timings[step] ?? 0), 0).toFixed(1)} ms`;
  const rows: (readonly [string, string])[] = [
    ['application', app.id],
    ['image', found.origin],
    ['digest', found.image.digest],
    [
      'layers',
      `${found.image.layers.length}, ${mib(found.image.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0))} compressed`,
    ],
    ['pull', found.image.cached ? 'none: in the store' : `${pullMs.toFixed(0)} ms`],
    ['provision', ms('unpack', 'provision')],
    ['launch', ms('checkpoint', 'prepare', 'launch', 'isolate', 'release')],
    ['pid', String(status.pid ?? '?')],
    ['memory', `${mib(usage.memory?.current)} of ${mib(usage.memory?.limit)}`],
    ...replies.map(({ command, reply }) => [command, reply ?? '(nil)'] as const),
    ['stopped with', `${status.stopSignal}, ${ended}`],
    ['left behind', 'nothing'],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}
