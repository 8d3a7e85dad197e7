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
const can = (ability) => abilities.includes(ability);
const proto = new URL('./csi.proto', import.meta.url).pathname;
const { csi } = grpc.loadPackageDefinition(loader.loadSync(proto, { keepCase: true, enums: String, defaults: true }));

const statePath = join(folder, 'state.json');
/** volumes: id → { name, published, staged, targets }; kept over the driver's own deaths. */
const state = existsSync(statePath) ? JSON.parse(readFileSync(statePath, 'utf8')) : { volumes: {} };
const isMounted = (path) => readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${path} `);

class Failure extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}
const { INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, PERMISSION_DENIED, INTERNAL } = grpc.status;

function check(condition, code, message) {
  if (!condition) throw new Failure(code, message);
}
function volumeOf({ volume_id: id }) {
  check(id !== '', INVALID_ARGUMENT, 'no volume_id');
  const volume = state.volumes[id];
  check(volume, NOT_FOUND, `no volume ${id}`);
  return volume;
}
function checkCommon({ volume_capability: capability, secrets, volume_context: context }) {
  check(capability?.access_type === 'mount' || capability?.mount, INVALID_ARGUMENT, 'no mount capability');
  check(capability.access_mode?.mode !== 'UNKNOWN', INVALID_ARGUMENT, 'no access mode');
  check(secrets.key === 'open sesame', PERMISSION_DENIED, 'the secret is wrong');
  if (context) check(context.made === undefined || context.made === 'here', INVALID_ARGUMENT, 'another context');
}

const identity = {
  GetPluginInfo: () => ({ name: 'tmpfs.test', vendor_version: '1' }),
  GetPluginCapabilities: () => ({
    capabilities: can('create') || can('publish') ? [{ service: { type: 'CONTROLLER_SERVICE' } }] : [],
  }),
  Probe: () => ({ ready: { value: !existsSync(join(folder, 'not-ready')) } }),
};
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
    const flags = request.volume_capability.mount.mount_flags;
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

function once(kind, name) {
  const path = join(folder, `${kind}-${name}`);
  if (!existsSync(path)) return false;
  rmSync(path);
  return true;
}
const served = (calls) =>
  Object.fromEntries(
    Object.entries(calls).map(([name, call]) => [
      name,
      ({ request }, answer) => {
        appendFileSync(log, `${name} ${request.volume_id ?? request.name ?? ''}\n`);
        try {
          check(!once('fail', name), INTERNAL, 'failed as asked');
          const result = call(request);
          writeFileSync(statePath, JSON.stringify(state));
          if (once('die', name)) process.exit(3);
          answer(null, result);
        } catch (error) {
          answer({ code: error.code > 0 ? error.code : INTERNAL, details: error.message });
        }
      },
    ]),
  );

for (const id of (process.env['CSI_STATIC'] ?? '').split(',').filter((name) => name !== '')) {
  state.volumes[id] ??= { size: 0, published: false, staged: '', targets: [] };
}
rmSync(socket, { force: true });
const server = new grpc.Server();
server.addService(csi.v1.Identity.service, served(identity));
server.addService(csi.v1.Controller.service, served(controller));
server.addService(csi.v1.Node.service, served(node));
server.bindAsync(`unix://${socket}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
  process.stdout.write('ready\n');
});
