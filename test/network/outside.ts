import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An interface of the host with addresses that are not loopback, and a way to everywhere by it, unless there is one. */
export interface Outside extends Disposable {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** 10.214.NUMBER.1 and fd00:214:NUMBER::1, at one end of a cable whose other end leads nowhere. */
export function makeOutside(number: number): Outside {
  const name = `guser${number}`;
  const [ipv4, ipv6] = [`10.214.${number}.1`, `fd00:214:${number}::1`];
  run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`);
  for (const [address, more] of [
    [`${ipv4}/24`, []],
    [`${ipv6}/64`, ['nodad']],
  ] as const)
    run('ip', 'addr', 'add', address, 'dev', name, ...more);
  for (const end of [name, `${name}p`]) run('ip', 'link', 'set', end, 'up');
  for (const [version, via] of [
    ['-4', `10.214.${number}.254`],
    ['-6', `fd00:214:${number}::fe`],
  ] as const) {
    if (run('ip', version, 'route', 'show', 'default') === '')
      run('ip', version, 'route', 'add', 'default', 'via', via, 'dev', name);
  }
  return { ipv4, ipv6, [Symbol.dispose]: () => void run('ip', 'link', 'delete', name) };
}

const tun = '/dev/net/tun';

/** Has the kernel show its device where that is of a module which nothing has asked for yet. */
export function haveTun(): void {
  if (!existsSync(tun)) run('modprobe', 'tun');
}

/** Where only root may open /dev/net/tun, a device that all may is laid over it. */
export function openTun(): Disposable {
  haveTun();
  if ((statSync(tun).mode & 0o006) === 0o006) return { [Symbol.dispose]: () => undefined };
  return layOverTun(0o666);
}

/** Lays one over it that only root may open. */
export function shutTun(): Disposable {
  return layOverTun(0o600);
}

function layOverTun(mode: number): Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-tun-'));
  const node = join(folder, 'tun');
  run('mknod', node, 'c', '10', '200');
  chmodSync(node, mode);
  run('mount', '--bind', node, tun);
  return {
    [Symbol.dispose]() {
      run('umount', tun);
      rmSync(folder, { recursive: true });
    },
  };
}

/** Servers of one host address: by TCP one of HTTP, for pasta of Debian 12 wants the client to speak first, by UDP one that echoes and keeps what it heard. */
export interface Servers extends Disposable {
  readonly port: number;
  readonly heard: string[];
  /** The addresses that connections came from. */
  readonly callers: string[];
}

export async function serve(address: string): Promise<Servers> {
  const callers: string[] = [];
  const heard: string[] = [];
  const tcp: Server = createServer((socket) => {
    callers.push(socket.remoteAddress ?? '');
    let request = '';
    socket
      .on('error', () => undefined)
      .on('data', (piece) => {
        request += String(piece);
        if (request.endsWith('\r\n\r\n')) socket.end('HTTP/1.0 200 OK\r\n\r\nhello\n');
      });
  });
  tcp.listen(0, address);
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  udp.on('message', (message, { port: from, address: to }) => {
    heard.push(message.toString());
    udp.send(`echo ${message}`, from, to);
  });
  await new Promise<void>((resolve) => udp.bind(port, address, resolve));
  return {
    port,
    heard,
    callers,
    [Symbol.dispose]() {
      tcp.close();
      udp.close();
    },
  };
}

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}
