// A CSI driver: its volumes are tmpfs file systems. It is strict about the order of calls and what they carry, and idempotent, as the specification
// wants. Arguments: socket, folder, log of the calls, what it can do (`create`, `publish`, `stage`). A file `die-CALL` in the folder has it die once that
// call is done but not answered, `fail-CALL` has the call fail once.
import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const [socket, folder, log, ...abilities] = /** @type {[string, string, string, ...string[]]} */ (
  process.argv.slice(2)
);
/**
 * The fields of all requests in one.
 *
 * @typedef {object} Request
 * @property {string} volume_id
 * @property {string} name
 * @property {string} node_id
 * @property {{ key?: string }} secrets
 * @property {{ made?: string }} [volume_context]
 * @property {{ device?: string }} publish_context
 * @property {string} staging_target_path
 * @property {string} target_path
 * @property {boolean} readonly
 * @property {object[]} volume_capabilities
 * @property {{ required_bytes: number | string }} [capacity_range]
 * @property {{ mount?: { mount_flags: string[] }, access_mode?: { mode: string } }} [volume_capability]
 */
/** @typedef {{ size: number | string, published: boolean, staged: string, targets: string[] }} Volume */
/** @typedef {Record<string, (request: Request) => object>} Calls */

/** @param {string} ability */
const can = (ability) => abilities.includes(ability);
const proto = new URL('./csi.proto', import.meta.url).pathname;
const definition = loader.loadSync(proto, { keepCase: true, enums: String, defaults: true });

const statePath = join(folder, 'state.json');
/** By id; kept over the driver's own deaths. @type {{ volumes: Record<string, Volume> }} */
const state = existsSync(statePath) ? JSON.parse(readFileSync(statePath, 'utf8')) : { volumes: {} };
/** @param {string} path */
const isMounted = (path) => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${path} `);

class Failure extends Error {
  /**
   * @param {number} code
   * @param {string} message
   */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}
const { INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, PERMISSION_DENIED, INTERNAL } = grpc.status;

/**
 * @param {unknown} condition
 * @param {number} code
 * @param {string} message
 * @returns {asserts condition}
 */
function check(condition, code, message) {
  if (!condition) throw new Failure(code, message);
}
/** @param {Request} request */
function volumeOf({ volume_id: id }) {
  check(id !== '', INVALID_ARGUMENT, 'no volume_id');
  const volume = state.volumes[id];
  check(volume, NOT_FOUND, `no volume ${id}`);
  return volume;
}
/** @param {Request} request */
function checkCommon({ volume_capability: capability, secrets, volume_context: context }) {
  check(capability?.mount, INVALID_ARGUMENT, 'no mount capability');
  check(capability.access_mode?.mode !== 'UNKNOWN', INVALID_ARGUMENT, 'no access mode');
  check(secrets.key === 'open sesame', PERMISSION_DENIED, 'the secret is wrong');
  if (context) check(context.made === undefined || context.made === 'here', INVALID_ARGUMENT, 'another context');
}

/** @type {Calls} */
const identity = {
  GetPluginInfo: () => ({ name: 'tmpfs.test', vendor_version: '1' }),
  GetPluginCapabilities: () => ({
    capabilities: can('create') || can('publish') ? [{ service: { type: 'CONTROLLER_SERVICE' } }] : [],
  }),
  Probe: () => ({ ready: { value: !existsSync(join(folder, 'not-ready')) } }),
};
/** @type {Calls} */
const controller = {
  ControllerGetCapabilities: () => ({
    capabilities: [
      ...(can('create') ? [{ rpc: { type: 'CREATE_DELETE_VOLUME' } }] : []),
      ...(can('publish') ? [{ rpc: { type: 'PUBLISH_UNPUBLISH_VOLUME' } }] : []),
    ],
  }),
  CreateVolume(request) {
    check(request.name !== '' && request.volume_capabilities.length > 0, INVALID_ARGUMENT, 'no name or capabilities');
    check(request.secrets.key === 'open sesame', PERMISSION_DENIED, 'the secret is wrong');
    const id = `id-of-${request.name}`;
    state.volumes[id] ??= {
      size: request.capacity_range?.required_bytes ?? 0,
      published: false,
      staged: '',
      targets: [],
    };
    return { volume: { volume_id: id, volume_context: { made: 'here' } } };
  },
  ControllerPublishVolume(request) {
    const volume = volumeOf(request);
    checkCommon(request);
    check(request.node_id === 'this-node', NOT_FOUND, `no node ${request.node_id}`);
    volume.published = true;
    return { publish_context: { device: 'none' } };
  },
  ControllerUnpublishVolume(request) {
    const volume = volumeOf(request);
    check(volume.staged === '' && volume.targets.length === 0, FAILED_PRECONDITION, 'it is staged or published');
    check(request.secrets.key === 'open sesame', PERMISSION_DENIED, 'the secret is wrong');
    volume.published = false;
    return {};
  },
};
/** @type {Calls} */
const node = {
  NodeGetCapabilities: () => ({ capabilities: can('stage') ? [{ rpc: { type: 'STAGE_UNSTAGE_VOLUME' } }] : [] }),
  NodeGetInfo: () => ({ node_id: 'this-node' }),
  NodeStageVolume(request) {
    const volume = volumeOf(request);
    checkCommon(request);
    const { staging_target_path: path, publish_context: context } = request;
    check(!can('publish') || (volume.published && context.device === 'none'), FAILED_PRECONDITION, 'not published');
    check(existsSync(path), INVALID_ARGUMENT, 'there is no staging folder');
    check(volume.staged === '' || volume.staged === path, FAILED_PRECONDITION, 'it is staged elsewhere');
    const flags = request.volume_capability?.mount?.mount_flags ?? [];
    const options = [`size=${volume.size || 1_048_576}`, ...flags].join(',');
    if (!isMounted(path)) execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'csi', path]);
    volume.staged = path;
    return {};
  },
  NodeUnstageVolume(request) {
    const volume = volumeOf(request);
    check(volume.targets.length === 0, FAILED_PRECONDITION, 'it is published');
    if (isMounted(request.staging_target_path)) execFileSync('umount', [request.staging_target_path]);
    volume.staged = '';
    return {};
  },
  NodePublishVolume(request) {
    const volume = volumeOf(request);
    checkCommon(request);
    const { target_path: path, staging_target_path: staging } = request;
    if (can('stage')) check(volume.staged !== '' && volume.staged === staging, FAILED_PRECONDITION, 'it is not staged');
    check(existsSync(join(path, '..')), INVALID_ARGUMENT, 'there is no parent of the target');
    if (!volume.targets.includes(path)) {
      mkdirSync(path, { recursive: true });
      if (can('stage')) execFileSync('mount', ['--bind', staging, path]);
      else execFileSync('mount', ['-t', 'tmpfs', 'csi', path]);
      if (request.readonly) execFileSync('mount', ['-o', 'remount,bind,ro', path]);
      volume.targets.push(path);
    }
    return {};
  },
  NodeUnpublishVolume(request) {
    const volume = volumeOf(request);
    const { target_path: path } = request;
    if (isMounted(path)) execFileSync('umount', [path]);
    if (existsSync(path)) rmdirSync(path);
    volume.targets = volume.targets.filter((target) => target !== path);
    return {};
  },
};

/**
 * @param {string} kind
 * @param {string} name
 */
function once(kind, name) {
  const path = join(folder, `${kind}-${name}`);
  if (!existsSync(path)) return false;
  rmSync(path);
  return true;
}
/** @param {Calls} calls */
const served = (calls) =>
  Object.fromEntries(
    Object.entries(calls).map(([name, call]) => [
      name,
      (
        /** @type {{ request: Request }} */ { request },
        /** @type {(error: object | null, result?: object) => void} */ answer,
      ) => {
        appendFileSync(log, `${name} ${request.volume_id ?? request.name ?? ''}\n`);
        try {
          check(!once('fail', name), INTERNAL, 'failed as asked');
          const result = call(request);
          writeFileSync(statePath, JSON.stringify(state));
          if (once('die', name)) process.exit(3);
          answer(null, result);
        } catch (error) {
          const { message } = /** @type {Error} */ (error);
          answer({ code: error instanceof Failure ? error.code : INTERNAL, details: message });
        }
      },
    ]),
  );

for (const id of (process.env['CSI_STATIC'] ?? '').split(',').filter((name) => name !== '')) {
  state.volumes[id] ??= { size: 0, published: false, staged: '', targets: [] };
}
/** @param {string} name */
const serviceOf = (name) =>
  /** @type {import('@grpc/proto-loader').ServiceDefinition} */ (definition[`csi.v1.${name}`]);
rmSync(socket, { force: true });
const server = new grpc.Server();
server.addService(serviceOf('Identity'), served(identity));
server.addService(serviceOf('Controller'), served(controller));
server.addService(serviceOf('Node'), served(node));
server.bindAsync(`unix://${socket}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
  process.stdout.write('ready\n');
});
