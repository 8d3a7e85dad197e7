import { MediaType, sha256 } from '../src/index.js';

export const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

export const digest = (digit: string) => `sha256:${digit.repeat(64)}` as const;

/** As `docker push` writes it. */
export const dockerManifest = {
  schemaVersion: 2,
  mediaType: MediaType.dockerManifest,
  config: { mediaType: MediaType.dockerConfig, size: 7023, digest: digest('c') },
  layers: [
    { mediaType: MediaType.dockerLayerGzip, size: 32654, digest: digest('1') },
    { mediaType: MediaType.dockerLayerGzip, size: 16724, digest: digest('2') },
  ],
};

/** As buildkit writes it: two platforms of ARM, one attestation. */
export const ociIndex = {
  schemaVersion: 2,
  mediaType: MediaType.ociIndex,
  manifests: [
    entry('1', { architecture: 'amd64', os: 'linux' }),
    entry('2', { architecture: 'arm', os: 'linux', variant: 'v5' }),
    entry('3', { architecture: 'arm', os: 'linux', variant: 'v7' }),
    entry('4', { architecture: 'arm64', os: 'linux', variant: 'v8' }),
    entry('5', { architecture: 'amd64', os: 'windows', 'os.version': '10.0.20348.1547' }),
    {
      ...entry('6', { architecture: 'unknown', os: 'unknown' }),
      annotations: { 'vnd.docker.reference.digest': digest('1'), 'vnd.docker.reference.type': 'attestation-manifest' },
    },
  ],
};

export function entry(digit: string, platform?: Readonly<Record<string, string>>) {
  return { mediaType: MediaType.ociManifest, digest: digest(digit), size: 1000, ...(platform && { platform }) };
}

/** As the classic Docker builder writes it: nulls, `container_config`, history and all. */
export const dockerConfig = {
  architecture: 'amd64',
  config: {
    Hostname: '',
    User: 'redis:redis',
    AttachStdin: false,
    ExposedPorts: { '6379/tcp': {} },
    Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'EMPTY='],
    Cmd: ['redis-server'],
    Image: digest('e'),
    Volumes: { '/data': {} },
    WorkingDir: '/data',
    Entrypoint: ['docker-entrypoint.sh'],
    OnBuild: null,
    Labels: null,
  },
  container: 'ab'.repeat(32),
  container_config: { Hostname: 'ab12', User: 'nobody', Cmd: ['/bin/sh', '-c', '#(nop) '] },
  created: '2024-05-01T10:11:12.123456789Z',
  docker_version: '20.10.23',
  history: [{ created: '2024-05-01T10:11:12Z', created_by: '/bin/sh -c #(nop) ADD file', empty_layer: false }],
  os: 'linux',
  rootfs: { type: 'layers', diff_ids: [digest('a'), digest('b')] },
};

/** A manifest with the config that it describes. */
export function imageOf(config: unknown, change: Readonly<Record<string, unknown>> = {}) {
  const configBytes = encode(config);
  const described = { mediaType: MediaType.dockerConfig, size: configBytes.length, digest: sha256(configBytes) };
  return { configBytes, manifestBytes: encode({ ...dockerManifest, config: described, ...change }) };
}
