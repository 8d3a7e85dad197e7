import { appendFile, cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from '../../scripts/lib/paths.mjs';
import { run } from '../../scripts/lib/run.mjs';

it('notices a generated side of the protocol that was written by hand', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-protocol-'));
  try {
    for (const path of ['native/protocol', 'native/shim', 'packages/launcher/src']) {
      await mkdir(join(folder, path), { recursive: true });
    }
    await cp(join(root, 'native/protocol'), join(folder, 'native/protocol'), { recursive: true });
    const generate = async (...args: string[]) =>
      (await run(process.execPath, ['native/protocol/generate.mjs', ...args], { cwd: folder })).status;
    expect(await generate()).toBe(0);
    expect(await generate('--check')).toBe(0);
    await appendFile(join(folder, 'packages/launcher/src/protocol.generated.ts'), 'export const late = 1;\n');
    expect(await generate('--check')).toBe(1);
  } finally {
    await rm(folder, { recursive: true });
  }
});
