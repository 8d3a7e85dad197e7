import { execFileSync } from 'node:child_process';

/** A cable between this network namespace and that of a process. */
export interface Veth extends Disposable {
  readonly host: { readonly ipv4: string; readonly ipv6: string };
  readonly container: { readonly ipv4: string; readonly ipv6: string };
}

/** Lays one, up at both ends: 10.213.NUMBER.1 and .2, fd00:213:NUMBER::1 and ::2. */
export function layVeth(pid: number, number: number): Veth {
  const name = `gtest${number}`;
  const [host, container] = [1, 2].map((end) => ({
    ipv4: `10.213.${number}.${end}`,
    ipv6: `fd00:213:${number}::${end}`,
  }));
  if (!host || !container) throw new Error('no addresses');
  const inside = (...args: string[]) => run('nsenter', `--net=/proc/${pid}/ns/net`, 'ip', ...args);
  run('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid));
  for (const [ip, device, end] of [
    [(...args: string[]) => run('ip', ...args), name, host],
    [inside, 'eth0', container],
  ] as const) {
    ip('addr', 'add', `${end.ipv4}/24`, 'dev', device);
    ip('addr', 'add', `${end.ipv6}/64`, 'dev', device, 'nodad');
    ip('link', 'set', device, 'up');
  }
  return { host, container, [Symbol.dispose]: () => run('sh', '-c', `ip link del ${name} 2>/dev/null || :`) };
}

/** Runs a program of the host's in the network namespace of a process; what it wrote. */
export function inNetwork(pid: number, ...command: string[]): string {
  return execFileSync('nsenter', [`--net=/proc/${pid}/ns/net`, ...command], { encoding: 'utf8', stdio: 'pipe' });
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: 'pipe' });
}
