import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { uses } from '../../.dependency-cruiser.mjs';
import { root } from '../../scripts/lib/paths.mjs';
import { workspaces } from '../../scripts/lib/workspaces.mjs';

interface Manifest {
  readonly name: string;
  readonly description?: string;
  readonly license?: string;
  readonly private?: boolean;
  readonly files?: readonly string[];
  readonly exports?: Readonly<Record<string, { readonly types: string; readonly default: string }>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifestOf = (folder: string) => JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8')) as Manifest;

const published = workspaces().filter((folder) => !manifestOf(folder).private);

describe.each(workspaces())('%s', (folder) => {
  const manifest = manifestOf(folder);

  it('says what it is and under which licence', () => {
    expect(manifest.name).toMatch(/^@gantry\/[a-z-]+$/);
    expect(manifest.description).toMatch(/\S+ \S+/);
    expect(manifest.license).toBe('Apache-2.0');
  });

  it('pins every dependency exactly', () => {
    for (const version of Object.values({ ...manifest.dependencies, ...manifest.devDependencies })) {
      expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    }
  });
});

describe.each(published)('published: %s', (folder) => {
  const manifest = manifestOf(folder);

  it('ships its build and a README that opens with its name', () => {
    expect(manifest.files).toEqual(expect.arrayContaining(['dist', 'README.md']));
    expect(manifest.exports?.['.']).toEqual({ types: './dist/index.d.ts', default: './dist/index.js' });
    expect(readFileSync(join(root, folder, 'README.md'), 'utf8').split('\n')[0]).toBe(`# ${manifest.name}`);
    for (const path of Object.values(manifest.exports?.['.'] ?? {}))
      expect(existsSync(join(root, folder, path))).toBe(true);
  });

  it('depends only on packages that the import rules allow it', () => {
    const ours = Object.keys(manifest.dependencies ?? {}).filter((name) => name.startsWith('@gantry/'));
    const allowed: readonly string[] = new Map(Object.entries(uses)).get(basename(folder)) ?? [];
    expect(allowed.map((name) => `@gantry/${name}`)).toEqual(expect.arrayContaining(ours));
  });
});

interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface LockedPackage {
  readonly resolved?: string;
  readonly link?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

describe('package-lock.json', () => {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as Lock;

  it('does not name the host that packages came from', () => {
    expect(Object.values(packages).filter(({ resolved, link }) => resolved !== undefined && !link)).toEqual([]);
  });

  it('has every workspace', () => {
    expect(Object.keys(packages)).toEqual(expect.arrayContaining(workspaces()));
  });

  it('has the binaries for every platform, without which npm ci refuses it', () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`],
      ),
    );
    expect(missing).toEqual([]);
  });
});
