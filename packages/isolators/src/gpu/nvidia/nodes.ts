import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, toGantryError } from '@gantry/interface';
import type { CdiDevice, CdiDeviceNode, CdiSpec } from '../cdi-spec.js';
import { nvidiaKind } from './inventory.js';

/** Where the driver shows its devices. */
export interface NvidiaPlaces {
  /** Default `/dev`. */
  readonly devices?: string;
  /** Default `/proc/driver/nvidia`. */
  readonly driver?: string;
}

/** What every container with a GPU needs, as far as it is there. */
const commonNodes = ['nvidiactl', 'nvidia-uvm', 'nvidia-uvm-tools', 'nvidia-modeset'] as const;

interface Board {
  readonly index: number;
  readonly uuid?: string;
  /** Its MIG devices: of each the two instances, and the minor numbers of what leads to them. */
  readonly parts: readonly { readonly gi: number; readonly ci: number; readonly minors: readonly number[] }[];
}

/** A specification of what the driver shows, for hosts without one of NVIDIA's: device nodes alone. Undefined without a GPU. */
export async function nvidiaNodes({
  devices = '/dev',
  driver = '/proc/driver/nvidia',
}: NvidiaPlaces): Promise<CdiSpec | undefined> {
  const names = await namesIn(devices);
  const indices = names.flatMap((name) => /^nvidia(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  if (indices.length === 0) return undefined;
  const uuids = await uuidsByMinor(join(driver, 'gpus'));
  const boards = await Promise.all(
    indices
      .sort((a, b) => a - b)
      .map(async (index): Promise<Board> => {
        const uuid = uuids.get(index);
        const parts = await partsOf(join(driver, 'capabilities', `gpu${index}`, 'mig'));
        return { index, parts, ...(uuid === undefined ? {} : { uuid }) };
      }),
  );
  const node = (path: string): CdiDeviceNode => ({
    path: `/dev/${path}`,
    hostPath: join(devices, path),
    permissions: 'rw',
  });
  return {
    cdiVersion: '0.5.0',
    kind: nvidiaKind,
    devices: boards.flatMap((board) => devicesOfBoard(board, node)),
    containerEdits: { deviceNodes: commonNodes.filter((name) => names.includes(name)).map(node) },
  };
}

/** Pure. A part has the name `GPU:GI:CI`: in which order NVIDIA's own tools count them cannot be seen here. */
function devicesOfBoard({ index, uuid, parts }: Board, node: (path: string) => CdiDeviceNode): CdiDevice[] {
  const named = (names: readonly string[], paths: readonly string[]) => {
    return names.map((name): CdiDevice => ({ name, containerEdits: { deviceNodes: paths.map(node) } }));
  };
  return [
    ...named(uuid === undefined ? [`${index}`] : [`${index}`, uuid], [`nvidia${index}`]),
    ...parts.flatMap(({ gi, ci, minors }) => {
      const paths = minors.map((minor) => `nvidia-caps/nvidia-cap${minor}`);
      return named([`${index}:${gi}:${ci}`], [`nvidia${index}`, ...paths]);
    }),
  ];
}

async function uuidsByMinor(folder: string): Promise<ReadonlyMap<number, string>> {
  const uuids = new Map<number, string>();
  for (const name of await namesIn(folder)) {
    const information = await textOf(join(folder, name, 'information'));
    const minor = /^Device Minor:\s*(\d+)\s*$/m.exec(information)?.[1];
    const uuid = /^GPU UUID:\s*(GPU-[0-9a-fA-F-]+)\s*$/m.exec(information)?.[1];
    if (minor !== undefined && uuid !== undefined) uuids.set(Number(minor), uuid);
  }
  return uuids;
}

async function partsOf(folder: string): Promise<Board['parts']> {
  const parts: Board['parts'][number][] = [];
  for (const gi of numbered(await namesIn(folder), 'gi')) {
    const ofGpu = join(folder, `gi${gi}`);
    const first = await minorIn(join(ofGpu, 'access'));
    for (const ci of numbered(await namesIn(ofGpu), 'ci')) {
      const second = await minorIn(join(ofGpu, `ci${ci}`, 'access'));
      if (first !== undefined && second !== undefined) parts.push({ gi, ci, minors: [first, second] });
    }
  }
  return parts;
}

function numbered(names: readonly string[], prefix: string): number[] {
  const pattern = new RegExp(`^${prefix}(\\d+)$`);
  return names
    .flatMap((name) => pattern.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

async function minorIn(file: string): Promise<number | undefined> {
  const minor = /^DeviceFileMinor:\s*(\d+)\s*$/m.exec(await textOf(file))?.[1];
  return minor === undefined ? undefined : Number(minor);
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isAbsent(error)) return [];
    throw toGantryError(error, `listing ${folder}`);
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return '';
    throw toGantryError(error, `reading ${file}`);
  }
}

function isAbsent(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR';
}
