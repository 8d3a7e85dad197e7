import type { Digest } from '@gantry/interface';
import { JsonFields } from '../json/json-fields.js';
import type { JsonObject } from '../json/json-value.js';
import { quote } from '../quote.js';
import { isAcIdentifier, readAcName, readAcVersion } from './ac-types.js';
import {
  type AppcApp,
  type AppcPort,
  appFields,
  portFields,
  readAbsolutePath,
  readApp,
  readPort,
  requireOnce,
} from './app.js';
import { readImageId } from './image-id.js';
import { type AppcIsolator, readIsolators } from './isolators.js';
import { readLabels, readNamedValues } from './named-values.js';
import { type AppcVolume, readVolume, volumeFields } from './volume.js';

/** Apps that run together. appc 0.8, pods.md#pod-manifest-schema. */
export interface AppcPodManifest {
  readonly acKind: 'PodManifest';
  readonly acVersion: string;
  readonly apps: readonly AppcRuntimeApp[];
  readonly volumes: readonly AppcVolume[];
  readonly isolators: readonly AppcIsolator[];
  readonly annotations: ReadonlyMap<string, string>;
  readonly ports: readonly AppcExposedPort[];
  readonly userAnnotations: ReadonlyMap<string, string>;
  readonly userLabels: ReadonlyMap<string, string>;
  /** The whole document, unknown fields included. */
  readonly raw: JsonObject;
}

/** One app of a pod. */
export interface AppcRuntimeApp {
  readonly name: string;
  readonly image: AppcRuntimeImage;
  /** Replaces the whole of the image's. */
  readonly app?: AppcApp;
  readonly readonlyRootfs: boolean;
  readonly mounts: readonly AppcMount[];
  readonly annotations: ReadonlyMap<string, string>;
}

/** Which image an app runs. A template of a pod may leave out the id, not both id and name. */
export interface AppcRuntimeImage {
  readonly id?: Digest;
  readonly name?: string;
  readonly labels: ReadonlyMap<string, string>;
}

/** A volume at a path of an app. */
export interface AppcMount {
  /** Name of one of the pod's volumes, unless `appVolume` is there. */
  readonly volume: string;
  readonly path: string;
  readonly appVolume?: AppcVolume;
}

/** A port of the host that leads to one of the pod. */
export interface AppcExposedPort {
  /** The name of a port of one of the apps, unless `podPort` is there. */
  readonly name: string;
  readonly hostPort: number;
  /** An IPv4 address of the host; all if absent. */
  readonly hostIp?: string;
  readonly podPort?: AppcPort;
}

const names = [
  'acKind',
  'acVersion',
  'apps',
  'volumes',
  'isolators',
  'annotations',
  'ports',
  'userAnnotations',
  'userLabels',
] as const;
const runtimeAppFields = ['name', 'image', 'app', 'readOnlyRootFS', 'mounts', 'annotations'] as const;
const imageFields = ['id', 'name', 'labels'] as const;
const exposedPortFields = ['name', 'hostPort', 'hostIP', 'podPort'] as const;
const ipv4Grammar = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;

/**
 * Reads a pod manifest, at most 4 MiB. `INVALID_DOCUMENT` with the JSON path of the fault. appc 0.8,
 * pods.md#pod-manifest-schema.
 */
export function parseAppcPodManifest(bytes: Uint8Array): AppcPodManifest {
  const fields = JsonFields.decode('appc pod manifest', bytes, names);
  const acVersion = readAcVersion(fields, 'PodManifest');
  const apps = fields.objects('apps', runtimeAppFields).map(readRuntimeApp);
  const volumes = fields.objects('volumes', volumeFields).map(readVolume);
  if (apps.length === 0) throw fields.invalid('apps', 'want at least one');
  requireOnce(
    fields,
    'apps',
    apps.map((app) => app.name),
  );
  requireOnce(
    fields,
    'volumes',
    volumes.map((volume) => volume.name),
  );
  return {
    acKind: 'PodManifest',
    acVersion,
    apps,
    volumes,
    isolators: readIsolators(fields, 'isolators'),
    annotations: readNamedValues(fields, 'annotations'),
    ports: fields.objects('ports', exposedPortFields).map(readExposedPort),
    userAnnotations: fields.stringMap('userAnnotations'),
    userLabels: fields.stringMap('userLabels'),
    raw: fields.raw,
  };
}

function readRuntimeApp(fields: JsonFields<(typeof runtimeAppFields)[number]>): AppcRuntimeApp {
  const app = fields.object('app', appFields);
  return {
    name: readAcName(fields, 'name'),
    image: readImage(fields.requiredObject('image', imageFields)),
    ...(app && { app: readApp(app) }),
    readonlyRootfs: fields.boolean('readOnlyRootFS') ?? false,
    mounts: fields.objects('mounts', ['volume', 'path', 'appVolume']).map((mount) => {
      const appVolume = mount.object('appVolume', volumeFields);
      return {
        volume: readAcName(mount, 'volume'),
        path: readAbsolutePath(mount, 'path'),
        ...(appVolume && { appVolume: readVolume(appVolume) }),
      };
    }),
    annotations: readNamedValues(fields, 'annotations'),
  };
}

function readImage(fields: JsonFields<(typeof imageFields)[number]>): AppcRuntimeImage {
  const [id, name] = [readImageId(fields, 'id'), fields.string('name')];
  if (name !== undefined && !isAcIdentifier(name)) throw fields.invalid('name', `${quote(name)} is no AC Identifier`);
  if (id === undefined && name === undefined) throw fields.invalid('id', 'missing, and there is no name either');
  return {
    ...(id !== undefined && { id }),
    ...(name !== undefined && { name }),
    labels: readLabels(fields, 'labels'),
  };
}

function readExposedPort(fields: JsonFields<(typeof exposedPortFields)[number]>): AppcExposedPort {
  const [hostPort, hostIp] = [fields.size('hostPort'), fields.string('hostIP')];
  const podPort = fields.object('podPort', portFields);
  if (hostPort < 1 || hostPort > 65_535) throw fields.invalid('hostPort', 'want 1 to 65535');
  if (hostIp && !ipv4Grammar.test(hostIp)) throw fields.invalid('hostIP', `${quote(hostIp)} is no IPv4 address`);
  return {
    name: readAcName(fields, 'name'),
    hostPort,
    ...(hostIp && { hostIp }),
    ...(podPort && { podPort: readPort(podPort) }),
  };
}
