import {
  type CallOptions,
  type ExecSpec,
  GantryError,
  type LaunchRequest,
  type LaunchSecrets,
  type OciProcess,
  type Rootfs,
} from '@gantry/interface';
import { capabilitySets, lookUpUser } from '@gantry/isolators';
import type { Container } from './container.js';
import { resolveSource, withTerminal } from './document.js';
import { secretsOf } from './launch-inputs.js';
import type { ContainerizerParts } from './parts.js';
import { imageOfDigest } from './stored-image.js';

/** What a container was launched from. */
export async function requestOf(container: Container): Promise<LaunchRequest> {
  const request = container.request ?? (await container.folder?.readRequest());
  if (!request) throw new GantryError('CORRUPT_STATE', `container ${container.id}: it has no folder`);
  return request;
}

/** What has the process of `spec` started in a running container: the request, and the secrets, asked for again. */
export async function execution(
  container: Container,
  parts: ContainerizerParts,
  spec: ExecSpec,
  options: CallOptions,
): Promise<[LaunchRequest, CallOptions & { readonly secrets?: LaunchSecrets }]> {
  const request = await execRequest(container, parts, spec, options);
  const secrets = await secretsOf(parts, container.spec, 'exec', options);
  return [request, { ...options, ...(secrets ? { secrets } : {}) }];
}

/** Whether a container is in a user namespace. */
export function hasUsers({ config }: LaunchRequest): boolean {
  return config.linux.namespaces.some(({ type }) => type === 'user');
}

/** The request of a running container with the process of `spec` in place of its first one. */
async function execRequest(
  container: Container,
  parts: ContainerizerParts,
  spec: ExecSpec,
  options: CallOptions,
): Promise<LaunchRequest> {
  const request = await requestOf(container);
  const { process } = request.config;
  const changed: OciProcess = {
    ...process,
    args: [...spec.command],
    env: mergeEnvironment(process.env, spec.env ?? {}),
    cwd: spec.workingDir ?? process.cwd,
  };
  if (spec.user !== undefined) {
    const rootfs = await rootfsOf(container, parts, options);
    const accounts = await Promise.all([rootfs.readFile('/etc/passwd'), rootfs.readFile('/etc/group')]);
    const { home: _, ...user } = await lookUpUser(spec.user, ...accounts);
    changed.user = { ...process.user, ...user };
    // Those that he would have as the user of the first process.
    changed.capabilities = capabilitySets([...(process.capabilities?.bounding ?? [])], user.uid);
  }
  const changedRequest = { ...request, config: withTerminal({ ...request.config, process: changed }, spec.tty) };
  if (!request.secretEnv) return changedRequest;
  // Those of the exec itself win.
  return { ...changedRequest, secretEnv: request.secretEnv.filter((name) => !Object.hasOwn(spec.env ?? {}, name)) };
}

/** `NAME=value` entries with those of `changes` in place of, or after, the others. */
function mergeEnvironment(entries: readonly string[], changes: Readonly<Record<string, string>>): string[] {
  const merged = new Map(entries.map((entry) => [entry.slice(0, entry.indexOf('=')), entry]));
  for (const [name, value] of Object.entries(changes)) merged.set(name, `${name}=${value}`);
  return [...merged.values()];
}

/** The root as it was at the container's start, whose accounts are what names mean. */
async function rootfsOf(
  { id, spec, record }: Container,
  parts: ContainerizerParts,
  options: CallOptions,
): Promise<Rootfs> {
  const known = record?.image;
  // Not by its reference, which may have come to stand for another.
  const image = known && (await imageOfDigest(parts.store, known.reference, known.digest));
  const { source } = await resolveSource(spec, image, parts, options);
  return parts.provisioner.describe(id, source);
}
