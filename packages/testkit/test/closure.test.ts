import { expect, it } from 'vitest';
import { type PackageSource, resolveClosure } from '../src/debian/closure.js';
import { parseRecords } from '../src/debian/package-record.js';

const archive = `
Package: server
Version: 5:1.0-1
Pre-Depends: init (>= 1)
Depends: lib (= 1), tool:any | other-tool,
 virtual
SHA256: aa

Package: lib
Version: 1
Depends: server

Package: init
Version: 2
Depends: perl

Package: perl
Version: 3

Package: other-tool
Version: 4

Package: provider
Version: 5
Provides: virtual (= 1), more
`;

const records = new Map(parseRecords(archive).map((record) => [record.name, record]));
const source: PackageSource = {
  show: async (names) => names.flatMap((name) => records.get(name) ?? []),
  providers: async (virtual) =>
    [...records.values()].filter(({ provides }) => provides.includes(virtual)).map(({ name }) => name),
};
const names = async (wanted: readonly string[], exclude: readonly string[] = []) =>
  (await resolveClosure(source, wanted, new Set(exclude))).map(({ name }) => name);

it('reads records as apt prints them', () => {
  expect(records.get('server')).toEqual({
    name: 'server',
    version: '5:1.0-1',
    sha256: 'aa',
    depends: [['init'], ['lib'], ['tool', 'other-tool'], ['virtual']],
    provides: [],
  });
  expect(records.get('provider')?.provides).toEqual(['virtual', 'more']);
});

it('follows dependencies, loops included, and takes alternatives and providers that exist', async () => {
  expect(await names(['server'])).toEqual(['init', 'lib', 'other-tool', 'perl', 'provider', 'server']);
});

it('leaves out packages, and what only they need', async () => {
  expect(await names(['server'], ['init', 'virtual'])).toEqual(['lib', 'other-tool', 'server']);
});

it('names what is nowhere', async () => {
  await expect(names(['absent'])).rejects.toMatchObject({ code: 'UNSUPPORTED', details: { package: 'absent' } });
});
