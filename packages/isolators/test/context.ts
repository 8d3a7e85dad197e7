import type { ContainerSpec, ImageConfig, PrepareContext } from '@gantry/interface';

/** A container's context whose root has just these files. */
export function contextOf(
  spec: ContainerSpec,
  options: {
    readonly id?: string;
    readonly image?: Partial<ImageConfig>;
    readonly files?: Readonly<Record<string, string>>;
    readonly parent?: string;
  } = {},
): PrepareContext {
  const id = options.id ?? 'c1';
  const files = new Map(Object.entries(options.files ?? {}));
  return {
    id,
    spec,
    ...(options.image ? { image: { ...emptyImage, ...options.image } } : {}),
    rootfs: {
      path: '/run/root',
      mount: { type: 'directory', source: '/srv/root' },
      readFile: async (path) => {
        const content = files.get(path);
        return content === undefined ? undefined : new TextEncoder().encode(content);
      },
    },
    cgroupPath: `${options.parent ?? '/gantry'}/${id}`,
  };
}

const emptyImage: ImageConfig = {
  platform: { os: 'linux', architecture: 'amd64' },
  user: '',
  entrypoint: [],
  cmd: [],
  env: [],
  workingDir: '',
  stopSignal: '',
  exposedPorts: [],
  volumes: [],
  labels: new Map(),
};
