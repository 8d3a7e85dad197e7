import type { MappedPort } from '@gantry/interface';
import { type Console, formatAge, formatTable } from '../console.js';
import { type GlobalOptions, openContainerizer } from '../places.js';
import { shortDigest } from '../progress.js';

/** `gantry ps`: the running containers, or with `--all` the ended ones too. */
export async function ps(
  options: GlobalOptions & { readonly all?: boolean; readonly quiet?: boolean },
  console: Console,
): Promise<number> {
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  const rows: string[][] = [];
  for await (const status of containerizer.containers()) {
    if (status.state === 'DESTROYED' && !options.all) continue;
    const { exit } = status.termination ?? {};
    const ended = exit?.type === 'exited' ? `exited ${exit.code}` : exit?.type === 'signaled' ? exit.signal : 'unknown';
    rows.push([
      status.id,
      status.image?.reference ?? '-',
      status.image ? shortDigest(status.image.digest) : '-',
      status.state === 'DESTROYED' ? ended : status.state,
      status.pid === undefined ? '-' : String(status.pid),
      formatAge(Date.now() - status.createdAt),
      status.networks?.flatMap(({ addresses }) => addresses.map(({ address }) => address)).join(' ') || '-',
      status.ports?.map(formatPort).join(' ') || '-',
    ]);
  }
  if (options.quiet) console.stdout.write(rows.map(([id]) => `${id}\n`).join(''));
  else console.stdout.write(formatTable(['ID', 'IMAGE', 'DIGEST', 'STATE', 'PID', 'AGE', 'ADDRESSES', 'PORTS'], rows));
  return 0;
}

/** `127.0.0.1:8080->80/tcp` */
function formatPort({ hostIp, hostPort, containerPort, protocol }: MappedPort): string {
  const host = hostIp === undefined ? '' : `${hostIp.includes(':') ? `[${hostIp}]` : hostIp}:`;
  return `${host}${hostPort}->${containerPort}/${protocol}`;
}
