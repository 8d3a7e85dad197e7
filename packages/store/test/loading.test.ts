import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const folder = fileURLToPath(new URL('..', import.meta.url));

/** Runs a program for which there is no addon, on a system that says it is not Linux. */
function runElsewhere(program: string) {
  const hooks = `export async function resolve(name, context, next) {
    if (name.startsWith('@gantry/native')) throw new Error('the addon was asked for: ' + name);
    return next(name, context);
  }`;
  const setUp = `import { register } from 'node:module';
    Object.defineProperty(process, 'platform', { value: 'darwin' });
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(hooks)}));`;
  const preload = `data:text/javascript,${encodeURIComponent(setUp)}`;
  return spawnSync(process.execPath, ['--import', preload, '--input-type=module', '-e', program], {
    cwd: folder,
    encoding: 'utf8',
  });
}

it('loads and pulls without the addon, on systems other than Linux', () => {
  const program = `
    import { mkdtempSync, rmSync } from 'node:fs';
    import { tmpdir } from 'node:os';
    import { createRegistryClient } from '@gantry/registry-client';
    import { createImageStore } from '@gantry/store';
    import { buildImage, pushImage, startRegistry } from '@gantry/testkit';
    const root = mkdtempSync(tmpdir() + '/gantry-store-');
    const registry = await startRegistry();
    const client = createRegistryClient();
    const built = await buildImage({ layers: [[{ type: 'file', path: 'a', content: 'a' }]] });
    const reference = registry.address + '/library/app:1';
    await pushImage(built, client, reference);
    const store = createImageStore({ root, registry: client });
    try {
      const image = await store.pull(reference);
      await store.lease('x', [image]);
      await store.release('x');
      const refusal = await store.unpack(image).catch((error) => error.code);
      const faults = [];
      for await (const fault of store.verify()) faults.push(fault);
      console.log(JSON.stringify([image.cached, refusal, faults, (await store.collectGarbage()).references.length]));
    } finally {
      rmSync(root, { recursive: true });
      await built[Symbol.asyncDispose]();
      await registry.close();
    }`;
  const { stdout, stderr } = runElsewhere(program);
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual([false, 'UNSUPPORTED', [], 0]);
});

it('notices an import of the addon', () => {
  expect(runElsewhere("await import('@gantry/native');").stderr).toContain('the addon was asked for');
});
