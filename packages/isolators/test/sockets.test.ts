import { describe, expect, it } from 'vitest';
import { parseSockets } from '../src/network/sockets.js';

const head = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const ephemeral = { first: 32_768, last: 60_999 };

describe('tables of sockets', () => {
  it('give those that listen', () => {
    const table = `${head}
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0
   1: 0100007F:1F91 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0 0 10 0
`;
    expect(parseSockets(table, 'tcp', ephemeral)).toEqual([{ protocol: 'tcp', port: 8080, inode: '4242' }]);
  });

  it('give UDP sockets without a peer, but for ports that the kernel chooses', () => {
    const line = (port: string, state: string, inode: number) =>
      `  1: 00000000000000000000000000000000:${port} 00000000000000000000000000000000:0000 ${state} 0:0 00:0 0 0 0 ${inode} 2`;
    const table = [head, line('0035', '07', 1), line('0036', '01', 2), line('9C40', '07', 3)].join('\n');
    expect(parseSockets(table, 'udp', ephemeral)).toEqual([{ protocol: 'udp', port: 53, inode: '1' }]);
  });
});
