import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { startHost } from './host.js';

requires({ root: true })('a host program whose containers have ended', () => {
  it('holds no descriptor, no thread and no timer of them, and ends by itself once it has closed', async () => {
    await using host = await startHost();
    await host.run({ command: ['/bin/true'] });
    const program = fileURLToPath(new URL('./holding-program.mjs', import.meta.url));
    const args = [program, host.root, join(host.root, '..', 'other-state'), host.image, '100'];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
    const { before, after } = JSON.parse(stdout) as { before: object; after: object };
    expect(after).toEqual(before);
    expect(before).toMatchObject({ descriptors: expect.any(Number) as number });
    expect(stderr).toBe('');
  });
});
