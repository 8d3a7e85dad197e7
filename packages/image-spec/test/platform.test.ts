import { describe, expect, it } from 'vitest';
import { choosePlatform, formatPlatform, hostPlatform, MediaType, parseManifest } from '../src/index.js';
import { digest, encode, entry, ociIndex } from './documents.js';

function indexOf(document: unknown) {
  const parsed = parseManifest(encode(document));
  if (parsed.kind !== 'index') throw new Error('want an index');
  return parsed.index;
}

const index = indexOf(ociIndex);
const withEntries = (...manifests: unknown[]) =>
  indexOf({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests });
const linux = (architecture: string, variant?: string) => ({ os: 'linux', architecture, ...(variant && { variant }) });

describe('choosePlatform', () => {
  it.each([
    [linux('amd64'), '1'],
    [linux('x86_64'), '1'],
    [linux('amd64', 'v3'), '1'],
    [linux('arm', 'v7'), '3'],
    [linux('arm'), '3'],
    [linux('arm', 'v8'), '3'],
    [linux('arm', 'v6'), '2'],
    [linux('arm', '5'), '2'],
    [linux('arm64'), '4'],
    [linux('aarch64', 'v8'), '4'],
    [{ os: 'windows', architecture: 'amd64' }, '5'],
    [{ os: 'windows', architecture: 'amd64', osVersion: '10.0.20348.1547' }, '5'],
  ])('finds %o', (platform, digit) => {
    expect(choosePlatform(index, platform).digest).toBe(digest(digit));
  });

  it('takes the first of equals and the highest variant that runs', () => {
    const choice = withEntries(
      entry('1', linux('amd64', 'v2')),
      entry('2', linux('amd64')),
      entry('3', linux('amd64', 'v3')),
      entry('4', linux('amd64', 'v3')),
      entry('5', linux('amd64', 'v4')),
    );
    expect(choosePlatform(choice, linux('amd64', 'v3')).digest).toBe(digest('3'));
    expect(choosePlatform(choice, linux('amd64')).digest).toBe(digest('2'));
  });

  it('matches the variants of other processors by name', () => {
    const choice = withEntries(entry('1', linux('riscv64', 'rva20u64')), entry('2', linux('riscv64')));
    expect(choosePlatform(choice, linux('riscv64')).digest).toBe(digest('2'));
    expect(choosePlatform(choice, linux('riscv64', 'rva20u64')).digest).toBe(digest('1'));
    expect(choosePlatform(choice, linux('riscv64', 'rva23u64')).digest).toBe(digest('2'));
  });

  it('takes a lone entry without platform, as image layouts have it', () => {
    expect(choosePlatform(withEntries(entry('1')), linux('amd64')).digest).toBe(digest('1'));
    expect(choosePlatform(withEntries(entry('1', linux('s390x')), entry('2')), linux('amd64')).digest).toBe(
      digest('2'),
    );
    expect(() => choosePlatform(withEntries(entry('1'), entry('2')), linux('amd64'))).toThrow(
      expect.objectContaining({ code: 'NO_PLATFORM' }),
    );
  });

  it('lists what is there', () => {
    expect(() => choosePlatform(index, linux('s390x'))).toThrow(
      expect.objectContaining({
        code: 'NO_PLATFORM',
        message: expect.stringContaining('linux/arm/v5'),
        details: {
          platform: 'linux/s390x',
          available: ['linux/amd64', 'linux/arm/v5', 'linux/arm/v7', 'linux/arm64/v8', 'windows/amd64'],
        },
      }),
    );
  });

  it('passes over attestations and things that are no image', () => {
    const other = { ...entry('1', linux('amd64')), mediaType: 'application/vnd.example+json' };
    const sbom = { ...entry('2', linux('amd64')), artifactType: 'application/vnd.example.sbom' };
    const image = { ...entry('3', linux('amd64')), artifactType: MediaType.ociConfig };
    expect(choosePlatform(withEntries(sbom, image), linux('amd64')).digest).toBe(digest('3'));
    expect(() => choosePlatform(withEntries(other), linux('amd64'))).toThrow(
      expect.objectContaining({ details: { platform: 'linux/amd64', available: [] } }),
    );
    expect(() => choosePlatform(index, { os: 'unknown', architecture: 'unknown' })).toThrow(
      expect.objectContaining({ code: 'NO_PLATFORM' }),
    );
  });
});

describe('hostPlatform', () => {
  it('is Linux on this processor, by Go’s name', () => {
    const platform = hostPlatform();
    expect(formatPlatform(platform)).toMatch(
      /^linux\/(amd64|386|arm64|arm\/v[5-8]|ppc64le|s390x|riscv64|loong64|mips(64)?(le)?)$/,
    );
    if (process.arch === 'x64') expect(platform).toEqual(linux('amd64'));
  });
});
