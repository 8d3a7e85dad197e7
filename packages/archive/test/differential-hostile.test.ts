import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isGantryError } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { archive, entry, file, folder, hardlink, symlink } from './archive-builder.js';
import { isRoot, needsRoot, Sandbox } from './sandbox.js';
import { listTree } from './tree-listing.js';
import { hasUmoci, unpackWithUmoci } from './umoci.js';

const names = ['a', 'b', 'l', 'a/x', 'l/x', 'l/y/z', './a', '/abs', '../victim', 'a/../../victim', 'l/../victim', '.'];
const targets = ['a', 'b', 'l', '.', '..', '/', '../..', '/a', '../victim', '../../victim', 'l/x', '/proc/self/root'];
const part = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...names).map((name) => file(name, name)) },
  fc.constantFrom(...names).map((name) => folder(name)),
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom(...names), fc.constantFrom(...targets)).map(([n, t]) => symlink(n, t)),
  },
  fc.tuple(fc.constantFrom(...names), fc.constantFrom(...targets)).map(([n, t]) => hardlink(n, t)),
  fc.constantFrom('.wh.a', 'l/.wh.x', 'l/.wh..wh..opq', '.wh.l', '.wh..', 'a/.wh...').map((name) => file(name, '')),
  fc.constantFrom(...names).map((name) => entry({ name, type: '6' })),
);
const hostile = fc.array(part, { minLength: 2, maxLength: 6 }).map((parts) => archive(...parts));

type Verdict = { readonly tree: Record<string, unknown[]> } | { readonly refusal: string };

async function ours(bytes: Buffer): Promise<Verdict> {
  const sandbox = await Sandbox.create();
  try {
    await sandbox.apply(bytes);
    return { tree: listTree(sandbox.target) };
  } catch (error) {
    if (!isGantryError(error, 'INVALID_ARCHIVE')) throw error;
    return { refusal: error.message };
  } finally {
    // It checks that nothing beside the target was touched.
    await sandbox.close();
  }
}

/** Calls a peer in a folder of its own; tells what it made of it. */
async function peer(call: (folder: string) => Promise<string>): Promise<Verdict> {
  const folder = await mkdtemp('/dev/shm/gantry-peer-');
  try {
    const root = await call(folder).catch((error: Error) => error);
    return root instanceof Error ? { refusal: root.message } : { tree: listTree(root) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const gnuTar = (bytes: Buffer) =>
  peer(async (folder) => {
    const target = join(folder, 'target');
    await mkdir(target);
    execFileSync('tar', ['-C', target, '--numeric-owner', '-xpf', '-'], { input: bytes, stdio: 'pipe' });
    return target;
  });

/** The same archives in every run: what a peer says of another one is a new fact to look into, and not a failure of today's. */
const run = (numRuns: number) => ({ seed: 20_251_123, numRuns, endOnFailure: true });

/** GNU tar does not put an entry in the place of one of another kind, nor links through its placeholders of links. */
const standsInTheWay = /: (?:File exists|Not a directory|Is a directory|Directory not empty)$/;

describe.skipIf(!isRoot)(`hostile archives as others take them (${needsRoot})`, { timeout: 300_000 }, () => {
  it('touch nothing beside the target, and are refused where GNU tar does, but for what stands in the way', async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(hostile, async (bytes) => {
        const [mine, theirs] = [await ours(bytes), await gnuTar(bytes)];
        if ('refusal' in mine) return;
        taken++;
        if (!('refusal' in theirs)) return;
        const problems = theirs.refusal.split('\n').filter((line) => /Cannot|skipp/i.test(line));
        for (const problem of problems) expect(problem).toMatch(standsInTheWay);
      }),
      run(50),
    );
    expect(taken).toBeGreaterThan(5);
  });

  it.skipIf(!hasUmoci)('are refused where umoci does, or give the same tree (needs umoci)', async () => {
    let compared = 0;
    await fc.assert(
      fc.asyncProperty(hostile, async (bytes) => {
        const [mine, theirs] = [await ours(bytes), await peer((folder) => unpackWithUmoci(folder, [bytes]))];
        if ('refusal' in mine) return;
        if ('refusal' in theirs) expect.fail(`umoci: ${theirs.refusal}`);
        // A whiteout removes what is there for umoci, where it hides what is below for overlayfs.
        if (bytes.includes('.wh.')) return;
        compared++;
        expect(shapeOf(mine.tree)).toEqual(shapeOf(theirs.tree));
      }),
      run(25),
    );
    expect(compared).toBeGreaterThan(2);
  });
});

/** Without times, which missing folders have of the moment they are made, and without owners and attributes, which are all the same. */
function shapeOf(tree: Record<string, unknown[]>): Record<string, unknown[]> {
  return Object.fromEntries(Object.entries(tree).map(([path, [mode, , , , ...rest]]) => [path, [mode, ...rest]]));
}
