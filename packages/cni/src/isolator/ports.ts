import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import {
  type ContainerId,
  errnoOf,
  type MappedPort,
  type PortMapping,
  type PortProtocol,
  toGantryError,
} from '@gantry/interface';
import { refused } from './refusal.js';

/** A port of the host that nobody else can bind until it is let go. */
interface HeldPort {
  readonly port: number;
  close(): void;
}

type Place = Pick<MappedPort, 'hostPort' | 'protocol' | 'hostIp'>;

/** Ports taken for a container: leased, and held by a socket until `release`. */
export interface TakenPorts {
  readonly ports: readonly MappedPort[];
  /** When the mapping is in force, or will not be. */
  letGo(): void;
}

const attempts = 64;

/**
 * Which ports of the host lead to which container: a file a port, `<protocol>-<port>/<address>`, with the container's id in it. One of
 * a container that is not there any more counts for nothing.
 */
export class PortLeases {
  readonly #folder: string;
  readonly #exists: (id: ContainerId) => boolean;

  constructor(folder: string, exists: (id: ContainerId) => boolean) {
    this.#folder = folder;
    this.#exists = exists;
  }

  /** Takes the ports that a container asks for, or none. `REFUSED` for one that another has. */
  async take(id: ContainerId, mappings: readonly PortMapping[]): Promise<TakenPorts> {
    const held: HeldPort[] = [];
    const ports: MappedPort[] = [];
    try {
      for (const { count = 1, hostPort = 0, containerPort, protocol = 'tcp', hostIp } of mappings) {
        const place = { protocol, ...(hostIp === undefined ? {} : { hostIp }) };
        for (let at = 0; at < count; at++) {
          const wanted = hostPort === 0 ? 0 : hostPort + at;
          const one =
            wanted === 0 ? await this.#takeAny(id, place) : await this.#takeOne(id, { ...place, hostPort: wanted });
          held.push(one);
          ports.push({ hostPort: one.port, containerPort: containerPort + at, ...place });
        }
      }
    } catch (error) {
      for (const one of held) one.close();
      this.release(id, ports);
      throw toGantryError(error, `taking host ports for container ${id}`);
    }
    const letGo = () => {
      for (const one of held.splice(0)) one.close();
    };
    return { ports, letGo };
  }

  /** Gives back those of the ports that are the container's. */
  release(id: ContainerId, ports: readonly Place[]): void {
    for (const place of ports) {
      const { folder, file } = this.#pathOf(place);
      if (read(file) === id) rmSync(file, { force: true });
      removeIfEmpty(folder);
    }
  }

  /** One that the kernel has free, and nobody leases; those that somebody does are held meanwhile, so that it gives others. */
  async #takeAny(id: ContainerId, place: Omit<Place, 'hostPort'>): Promise<HeldPort> {
    const passed: HeldPort[] = [];
    try {
      for (let attempt = 0; attempt < attempts; attempt++) {
        const held = await hold({ ...place, hostPort: 0 });
        if (this.#lease(id, { ...place, hostPort: held.port })) return held;
        passed.push(held);
      }
    } finally {
      for (const one of passed) one.close();
    }
    throw refused(
      `no free ${place.protocol} port of the host was found in ${attempts} attempts`,
      'name one in spec.ports',
    );
  }

  async #takeOne(id: ContainerId, place: Place): Promise<HeldPort> {
    const title = `port ${place.hostPort}/${place.protocol} of the host`;
    const remedy = 'choose another one, or none for one that is free';
    if (!this.#lease(id, place)) throw refused(`${title} is another container's`, remedy, { ...place });
    try {
      return await hold(place);
    } catch (cause) {
      this.release(id, [place]);
      const errno = errnoOf(cause);
      if (errno === 'EADDRINUSE') throw refused(`${title} is in use`, remedy, { ...place, errno }, cause);
      if (errno === 'EACCES')
        throw refused(
          `${title} is not for ordinary users`,
          'choose a higher one, or have root lower the sysctl net.ipv4.ip_unprivileged_port_start',
          { ...place, errno },
          cause,
        );
      if (errno === 'EADDRNOTAVAIL')
        throw refused(`${place.hostIp} is no address of the host`, 'choose another one', { ...place, errno }, cause);
      throw cause;
    }
  }

  /** False if somebody has it. */
  #lease(id: ContainerId, place: Place): boolean {
    const { folder, file } = this.#pathOf(place);
    for (;;) {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      try {
        createWhole(file, id);
        break;
      } catch (error) {
        // Another one has just given back the last lease of this port.
        if (errnoOf(error) === 'ENOENT') continue;
        if (errnoOf(error) !== 'EEXIST') throw error;
        if (!this.#isStale(file)) return false;
        rmSync(file, { force: true });
      }
    }
    const others = readdirSync(folder).filter((name) => join(folder, name) !== file && !name.endsWith(unfinished));
    const conflicting = others.filter((name) => name === every || place.hostIp === undefined);
    if (conflicting.every((name) => this.#isStale(join(folder, name)))) return true;
    rmSync(file, { force: true });
    return false;
  }

  #isStale(file: string): boolean {
    const id = read(file);
    return id === undefined || !this.#exists(id);
  }

  #pathOf({ protocol, hostPort, hostIp }: Place): { readonly folder: string; readonly file: string } {
    const folder = join(this.#folder, `${protocol}-${hostPort}`);
    return { folder, file: join(folder, hostIp ?? every) };
  }
}

/** The file of a lease of all of the host's addresses. */
const every = 'any';
const unfinished = '.tmp';

/** Makes a file with all that is in it, unless there is one: EEXIST. */
function createWhole(file: string, content: string): void {
  const temporary = `${file}.${randomUUID()}${unfinished}`;
  try {
    writeFileSync(temporary, content, { mode: 0o600 });
    linkSync(temporary, file);
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Binds a port, 0 for any that is free. Of SCTP Node.js knows nothing: there, the leases alone decide. */
async function hold({ hostPort, protocol, hostIp }: Place): Promise<HeldPort> {
  const hosts = hostIp === undefined ? (hasIpv6() ? ['::'] : ['0.0.0.0']) : [hostIp];
  const [host = '0.0.0.0'] = hosts;
  return protocol === 'udp' ? holdUdp(hostPort, host) : holdTcp(hostPort, host, protocol);
}

async function holdTcp(wanted: number, host: string, protocol: PortProtocol): Promise<HeldPort> {
  if (protocol === 'sctp' && wanted !== 0) return { port: wanted, close: () => undefined };
  const server = createServer((socket) => socket.destroy());
  server.listen({ port: wanted, host, exclusive: true });
  await once(server, 'listening');
  server.unref();
  const { port } = server.address() as { port: number };
  return { port, close: () => void server.close() };
}

async function holdUdp(wanted: number, host: string): Promise<HeldPort> {
  const socket = createSocket({ type: host.includes(':') ? 'udp6' : 'udp4' });
  socket.bind({ port: wanted, address: host, exclusive: true });
  await once(socket, 'listening');
  socket.unref();
  return { port: socket.address().port, close: () => void socket.close() };
}

function hasIpv6(): boolean {
  return existsSync('/proc/sys/net/ipv6');
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTEMPTY') throw error;
  }
}
