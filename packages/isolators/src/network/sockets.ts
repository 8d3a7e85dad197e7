import { readdir, readFile, readlink } from 'node:fs/promises';
import { errnoOf, type PortRange, toGantryError } from '@gantry/interface';

/** A socket that takes what others send to a port. */
export interface ListeningSocket {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly inode: string;
}

/** States of /proc/net/tcp and /proc/net/udp: TCP_LISTEN, and TCP_CLOSE, which is what a UDP socket without a peer is in. */
const states = { tcp: '0A', udp: '07' } as const;

/**
 * The sockets in the content of /proc/net/tcp or /proc/net/udp (or 6) that listen; see proc(5). A UDP socket whose port the kernel
 * chose is one that asks, not one that serves: ports in `ephemeral` are left out.
 */
export function parseSockets(table: string, protocol: 'tcp' | 'udp', ephemeral: PortRange): ListeningSocket[] {
  const sockets: ListeningSocket[] = [];
  for (const line of table.split('\n').slice(1)) {
    const [, local = '', , state, , , , , , inode = '0'] = line.trim().split(/\s+/);
    if (state !== states[protocol] || inode === '0') continue;
    const port = Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16);
    if (protocol === 'udp' && contains([ephemeral], port)) continue;
    sockets.push({ protocol, port, inode });
  }
  return sockets;
}

export function contains(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ first, last }) => first <= port && port <= last);
}

/** All sockets that listen in the host program's network. */
export async function listeningSockets(): Promise<ListeningSocket[]> {
  const ephemeral = await ephemeralPorts();
  const tables = (['tcp', 'udp'] as const).flatMap((protocol) =>
    ['', '6'].map(async (version) => {
      const table = await readIfThere(`/proc/net/${protocol}${version}`);
      return parseSockets(table ?? '', protocol, ephemeral);
    }),
  );
  return (await Promise.all(tables)).flat();
}

/** The inodes of the sockets that a process has open; none if it is gone. */
export async function socketsOf(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/fd`;
  const inodes: string[] = [];
  for (const fd of await unlessGone(readdir(folder), [])) {
    const target = await unlessGone(readlink(`${folder}/${fd}`), '');
    const [, inode] = /^socket:\[(\d+)\]$/.exec(target) ?? [];
    if (inode !== undefined) inodes.push(inode);
  }
  return inodes;
}

async function ephemeralPorts(): Promise<PortRange> {
  const text = await readIfThere('/proc/sys/net/ipv4/ip_local_port_range');
  const [first = 32_768, last = 60_999] = (text ?? '').trim().split(/\s+/).filter(Boolean).map(Number);
  return { first, last };
}

/** A kernel without IPv6 has no table of it. */
function readIfThere(path: string): Promise<string | undefined> {
  return unlessGone(readFile(path, 'utf8'), undefined);
}

async function unlessGone<T>(read: Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return otherwise;
    throw toGantryError(error, 'looking for sockets');
  }
}
