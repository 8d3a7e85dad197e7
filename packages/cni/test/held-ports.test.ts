import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PortMappingArg } from '../src/index.js';
import { startStack } from '../src/user/helper.js';
import { mapSlirpPorts } from '../src/user/slirp-ports.js';

const families = { ipv4: true, ipv6: false };
const port: PortMappingArg = { hostPort: 30_000, containerPort: 80, protocol: 'tcp' };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-held-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('ports that were held a moment ago', () => {
  /** Does as a script says, with the number of the start in `$n`. */
  const pasta = async (script: string) => {
    const program = join(folder, 'pasta');
    const counts = `n=$(($(cat ${folder}/starts 2>/dev/null) + 1)); echo $n >${folder}/starts`;
    writeFileSync(program, `#!/bin/sh\n${counts}\n${script}\n`, { mode: 0o755 });
    const request = { ifName: 'eth0', netNS: '/run/netns/none', families, ports: [port] };
    const pids: number[] = [];
    const options = { folder, timeoutMs: 30_000 };
    await startStack({ stack: 'pasta', program, families }, request, options, (pid) => pids.push(pid));
    return pids;
  };
  const starts = () => Number(readFileSync(join(folder, 'starts'), 'utf8'));
  const fails = 'echo "Failed to bind any port for \'-t 30000:80\', exiting" >&2; exit 1';

  it('have pasta started again while they are in use', async () => {
    expect(await pasta(`[ $n -gt 2 ] || { ${fails}; }; echo 4242 >${folder}/pasta.pid`)).toEqual([4242]);
    expect(starts()).toBe(3);
  });

  it('are in use by others if that does not change, and other failures are told at once', async () => {
    await expect(pasta(fails)).rejects.toMatchObject({
      code: 'PLUGIN_ERROR',
      message: expect.stringContaining('30000:80'),
    });
    expect(starts()).toBeGreaterThan(1);
    rmSync(join(folder, 'starts'));
    await expect(pasta('echo no tap >&2; exit 1')).rejects.toMatchObject({ code: 'PLUGIN_ERROR' });
    expect(starts()).toBe(1);
  });

  it('have slirp4netns asked again', async () => {
    const asked: unknown[] = [];
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('data', (text) => {
        asked.push(JSON.parse(String(text)));
        const refusal = { error: { desc: 'bad request: add_hostfwd: slirp_add_hostfwd failed' } };
        socket.end(JSON.stringify(asked.length < 3 ? refusal : { return: { id: 1 } }));
      });
    });
    await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
    await mapSlirpPorts(folder, 'socket', [port]);
    server.close();
    expect(asked).toHaveLength(3);
    expect(asked[2]).toMatchObject({ arguments: { host_port: 30_000 } });
  });
});
