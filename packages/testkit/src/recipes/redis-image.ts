import type { DebianLayerRecipe } from '../debian/layer-recipe.js';
import type { BuiltImage } from '../image/built-image.js';
import type { LayerEntry } from '../image/layer-entry.js';
import { type DebianImageRecipe, debianImage, defaultPath, type ImageOptions } from './debian-image.js';

const redis = { name: 'redis', uid: 999, home: '/data' };

/** Packages that only maintainer scripts, or programs that are left out, need. */
const needless = [
  ...['adduser', 'debconf', 'debianutils', 'dpkg', 'init-system-helpers', 'libaudit1', 'libblkid1', 'libcrypt1'],
  ...['libgmp10', 'libmount1', 'libpam0g', 'libsmartcols1', 'libtinfo6', 'libudev1', 'libuuid1', 'lsb-base'],
  ...['perl-base', 'sysvinit-utils', 'usr-is-merged', 'usrmerge', 'util-linux-extra'],
];

/** Debugging aids and character sets. */
const unused = [
  'usr/share/gcc',
  'usr/share/gdb',
  ...['x86_64', 'aarch64'].map((cpu) => `usr/lib/${cpu}-linux-gnu/gconv`),
];

const tools = [
  ...['cat', 'chmod', 'chown', 'cp', 'date', 'echo', 'env', 'false', 'head', 'id', 'ls', 'mkdir', 'mv', 'printf'],
  ...['pwd', 'rm', 'sleep', 'stat', 'tail', 'test', 'touch', 'true', 'wc'],
];

/** A C library, a shell, and the few programs that an entry script needs. */
const base: DebianLayerRecipe = {
  packages: ['libc6', 'dash', 'coreutils', 'libcap-ng0', 'util-linux'],
  exclude: [...needless, 'libsystemd0'],
  keep: { coreutils: tools.map((name) => `usr/bin/${name}`), 'util-linux': ['usr/bin/setpriv'] },
  omit: unused,
  users: [redis],
};

/** Redis, and the libraries that the base does not have. */
const server: DebianLayerRecipe = {
  packages: ['redis-server', 'redis-tools'],
  exclude: [...needless, 'libc6', 'libgcc-s1'],
  omit: [...unused, 'etc/default', 'etc/init.d', 'etc/logrotate.d', 'usr/lib/systemd', 'usr/share/bash-completion'],
};

const entryScript = `#!/bin/sh
# Options or a configuration file alone are meant for redis-server. Started as root, it runs as the redis user, who gets the data.
set -eu
case \${1:-} in
  -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "\${1:-}" = redis-server ] && [ "$(id -u)" = 0 ]; then
  chown -R redis:redis .
  set -- setpriv --reuid redis --regid redis --clear-groups "$@"
fi
exec "$@"
`;

const files: readonly LayerEntry[] = [
  ...['dev', 'proc', 'sys'].map((path): LayerEntry => ({ path, type: 'directory' })),
  { path: 'data', type: 'directory', uid: redis.uid, gid: redis.uid },
  { path: 'usr/local', type: 'directory' },
  { path: 'usr/local/bin', type: 'directory' },
  { path: 'usr/local/bin/docker-entrypoint.sh', type: 'file', mode: 0o755, content: entryScript },
];

const recipe: DebianImageRecipe = {
  debian: [base, server],
  files,
  config: (versions) => ({
    ExposedPorts: { '6379/tcp': {} },
    Env: [`PATH=${defaultPath}`, `REDIS_VERSION=${upstreamVersion(versions.get('redis-server') ?? '')}`],
    Entrypoint: ['docker-entrypoint.sh'],
    Cmd: ['redis-server'],
    Volumes: { '/data': {} },
    WorkingDir: '/data',
  }),
};

/**
 * An image of Redis that starts as the one on Docker Hub does: `docker-entrypoint.sh redis-server` in `/data`, as user redis.
 * Takes seconds the first time, then milliseconds. `UNSUPPORTED`, with what to do, off Debian or without its archive.
 */
export function redisImage(options: ImageOptions = {}): Promise<BuiltImage> {
  return debianImage(recipe, options);
}

/** `7.0.15` of `5:7.0.15-1~deb12u10`. deb-version(7). */
function upstreamVersion(version: string): string {
  return version.replace(/^\d+:/, '').replace(/-[^-]*$/, '');
}
