import type { Digest } from '@gantry/interface';
import { JsonFields } from '../json/json-fields.js';
import type { JsonObject } from '../json/json-value.js';
import { readAcIdentifier, readAcVersion } from './ac-types.js';
import { type AppcApp, appFields, normalAbsolutePath, readApp } from './app.js';
import { readImageId } from './image-id.js';
import { readLabels, readNamedValues } from './named-values.js';

/** An App Container Image's manifest. appc 0.8, aci.md#image-manifest-schema. */
export interface AppcImageManifest {
  readonly acKind: 'ImageManifest';
  readonly acVersion: string;
  /** An AC Identifier, e.g. `example.com/reduce-worker`. */
  readonly name: string;
  /** By name: `version`, `os`, `arch` and others. */
  readonly labels: ReadonlyMap<string, string>;
  /** Absent from an image that only others depend on. */
  readonly app?: AppcApp;
  /** Lowest first. */
  readonly dependencies: readonly AppcDependency[];
  /** Absolute paths, the only ones to be in the root file system; empty for no such limit. */
  readonly pathWhitelist: readonly string[];
  readonly annotations: ReadonlyMap<string, string>;
  /** The whole document, unknown fields included. */
  readonly raw: JsonObject;
}

/** An image that goes below another, to be found by name and labels. */
export interface AppcDependency {
  readonly imageName: string;
  /** What is found must have it. */
  readonly imageId?: Digest;
  readonly labels: ReadonlyMap<string, string>;
  /** Bytes of the archive as it is fetched. */
  readonly size?: number;
}

const names = ['acKind', 'acVersion', 'name', 'labels', 'app', 'dependencies', 'pathWhitelist', 'annotations'] as const;
const dependencyFields = ['imageName', 'imageID', 'labels', 'size'] as const;

/**
 * Reads the `manifest` file of an App Container Image, at most 4 MiB. `INVALID_DOCUMENT` with the JSON path of the fault.
 * appc 0.8, aci.md#image-manifest-schema.
 */
export function parseAppcImageManifest(bytes: Uint8Array): AppcImageManifest {
  const fields = JsonFields.decode('appc image manifest', bytes, names);
  const acVersion = readAcVersion(fields, 'ImageManifest');
  const app = fields.object('app', appFields);
  return {
    acKind: 'ImageManifest',
    acVersion,
    name: readAcIdentifier(fields, 'name'),
    labels: readLabels(fields, 'labels'),
    ...(app && { app: readApp(app) }),
    dependencies: fields.objects('dependencies', dependencyFields).map(readDependency),
    pathWhitelist: fields.strings('pathWhitelist').map((text, index) => {
      const path = normalAbsolutePath(text);
      if (path === undefined) throw fields.invalidElement('pathWhitelist', index, 'want an absolute path without ".."');
      return path;
    }),
    annotations: readNamedValues(fields, 'annotations'),
    raw: fields.raw,
  };
}

function readDependency(fields: JsonFields<(typeof dependencyFields)[number]>): AppcDependency {
  const [imageId, size] = [readImageId(fields, 'imageID'), fields.optionalSize('size')];
  return {
    imageName: readAcIdentifier(fields, 'imageName'),
    ...(imageId !== undefined && { imageId }),
    labels: readLabels(fields, 'labels'),
    ...(size !== undefined && { size }),
  };
}

/**
 * True if an image is what was asked for: it has the name, and every label asked for with the same value; more labels
 * are no harm. An image that discovery or a dependency led to must be. appc 0.8, discovery.md#validation.
 */
export function matchesAppcRequest(
  manifest: Pick<AppcImageManifest, 'name' | 'labels'>,
  name: string,
  labels: ReadonlyMap<string, string>,
): boolean {
  return manifest.name === name && [...labels].every(([label, value]) => manifest.labels.get(label) === value);
}
