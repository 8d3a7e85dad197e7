import type { Digest, ImageConfig, Platform } from '@gantry/interface';
import { isDigest } from './digest.js';
import { readHealthCheck } from './health-check.js';
import { JsonFields } from './json/json-fields.js';
import { quote } from './quote.js';
import { largestUnixId } from './unix-id.js';

const what = 'image config';
const rootNames = ['architecture', 'os', 'os.version', 'variant', 'created', 'config', 'rootfs'] as const;
const rootfsNames = ['type', 'diff_ids'] as const;
const runNames = [
  'User',
  'Entrypoint',
  'Cmd',
  'Env',
  'WorkingDir',
  'StopSignal',
  'ExposedPorts',
  'Volumes',
  'Labels',
  'SupplementaryGids',
  'Healthcheck',
  'Shell',
] as const;

type RunFields = JsonFields<(typeof runNames)[number]>;

/**
 * Reads an image config, OCI's or Docker's, at most 4 MiB: how the image wants to run and the digests of its layers,
 * uncompressed, lowest first. `INVALID_DOCUMENT` with the JSON path of the fault. OCI image-spec, config.md.
 */
export function parseImageConfig(bytes: Uint8Array): { config: ImageConfig; diffIds: readonly Digest[] } {
  const root = JsonFields.decode(what, bytes, rootNames);
  const run = root.object('config', runNames) ?? new JsonFields(what, '$.config', {}, runNames);
  const created = root.dateTime('created');
  const supplementaryGids = readGids(run);
  const healthCheck = readHealthCheck(run);
  const config: ImageConfig = {
    platform: readPlatform(root),
    user: readText(run, 'User'),
    entrypoint: readWords(run, 'Entrypoint'),
    cmd: readWords(run, 'Cmd'),
    env: readEnv(run),
    workingDir: readText(run, 'WorkingDir'),
    stopSignal: readText(run, 'StopSignal'),
    exposedPorts: run.keys('ExposedPorts'),
    volumes: readVolumes(run),
    labels: run.stringMap('Labels'),
    ...(supplementaryGids.length > 0 && { supplementaryGids }),
    ...(healthCheck && { healthCheck }),
    ...(created && { created }),
  };
  return { config, diffIds: readDiffIds(root) };
}

function readPlatform(root: JsonFields<(typeof rootNames)[number]>): Platform {
  const variant = root.string('variant');
  const osVersion = root.string('os.version');
  return {
    os: root.requiredString('os'),
    architecture: root.requiredString('architecture'),
    ...(variant && { variant }),
    ...(osVersion && { osVersion }),
  };
}

function readDiffIds(root: JsonFields<(typeof rootNames)[number]>): readonly Digest[] {
  const rootfs = root.object('rootfs', rootfsNames);
  if (rootfs === undefined) throw root.invalid('rootfs', 'missing');
  if (rootfs.requiredString('type') !== 'layers') throw rootfs.invalid('type', 'want "layers"');
  return rootfs.strings('diff_ids').map((digest) => {
    if (isDigest(digest)) return digest;
    throw rootfs.invalid('diff_ids', `${quote(digest)} is no sha256 or sha512 digest`);
  });
}

function readText(run: RunFields, name: 'User' | 'WorkingDir' | 'StopSignal'): string {
  const text = run.string(name) ?? '';
  refuseNul(run, name, text);
  return text;
}

function readWords(run: RunFields, name: 'Entrypoint' | 'Cmd'): readonly string[] {
  const words = run.strings(name);
  for (const word of words) refuseNul(run, name, word);
  return words;
}

function readEnv(run: RunFields): readonly string[] {
  const env = run.strings('Env');
  for (const entry of env) {
    refuseNul(run, 'Env', entry);
    if (entry.indexOf('=') < 1) throw run.invalid('Env', `${quote(entry)} is not NAME=value`);
  }
  return env;
}

function readVolumes(run: RunFields): readonly string[] {
  const volumes = run.keys('Volumes');
  for (const volume of volumes) {
    refuseNul(run, 'Volumes', volume);
    if (!volume.startsWith('/')) throw run.invalid('Volumes', `${quote(volume)} is not an absolute path`);
  }
  return volumes;
}

/** Not of the specification: where {@link appcImageConfig} leaves what appc images may ask for. */
function readGids(run: RunFields): readonly number[] {
  const gids = run.sizes('SupplementaryGids');
  gids.forEach((gid, index) => {
    if (gid > largestUnixId) throw run.invalidElement('SupplementaryGids', index, `want 0 to ${largestUnixId}`);
  });
  return gids;
}

/** A NUL would end the word early once it is handed to the kernel. */
function refuseNul(run: RunFields, name: (typeof runNames)[number], text: string): void {
  if (text.includes('\0')) throw run.invalid(name, `${quote(text)} has a NUL character`);
}
