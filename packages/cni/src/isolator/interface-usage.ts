import { readFile } from 'node:fs/promises';
import { errnoOf, type InterfaceUsage } from '@gantry/interface';

/** What the kernel counted of the interfaces of a process's network namespace, without loopback; empty once it is gone. */
export async function readInterfaceUsage(pid: number): Promise<readonly InterfaceUsage[]> {
  try {
    return parseNetDev(await readFile(`/proc/${pid}/net/dev`, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH' || errnoOf(error) === 'EINVAL') return [];
    throw error;
  }
}

/** Reads /proc/net/dev, proc(5): two lines of headings, then one an interface. */
export function parseNetDev(text: string): readonly InterfaceUsage[] {
  const usages: InterfaceUsage[] = [];
  for (const line of text.split('\n').slice(2)) {
    const [, name, counts] = /^\s*(\S+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || counts === undefined || name === 'lo') continue;
    const numbers = counts.trim().split(/\s+/).map(Number);
    const at = (index: number) => numbers[index] ?? 0;
    usages.push({
      interface: name,
      receivedBytes: at(0),
      receivedPackets: at(1),
      receiveErrors: at(2),
      receiveDropped: at(3),
      sentBytes: at(8),
      sentPackets: at(9),
      sendErrors: at(10),
      sendDropped: at(11),
    });
  }
  return usages;
}
