import { execFile } from 'node:child_process';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ControlGroup } from '../bench/pull/control-group.mjs';
import { startDocker } from '../bench/pull/docker.mjs';
import { Sandbox } from '../bench/pull/sandbox.mjs';
import { type DockerRegistry, dockerRegistry } from '../support/docker-registry.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';

const runFile = promisify(execFile);

/** What every image of the workshop says when it runs as its config wants: who made it, as whom and where it runs. */
export const config = {
  user: '1000:1000',
  workingDir: '/srv',
  command: ['/bin/sh', '-c', 'echo "made by $MAKER, runs as $(id -u):$(id -g) in $PWD"'],
  env: (maker: string) => `MAKER=${maker}`,
  output: (maker: string) => `made by ${maker}, runs as 1000:1000 in /srv\n`,
};

/** Where images are made by the tools of others: buildah, skopeo, umoci, docker and GNU tar. */
export class Workshop implements AsyncDisposable {
  readonly #folder: TemporaryFolder;
  readonly #registry: DockerRegistry;
  #made = 0;

  private constructor(folder: TemporaryFolder, registry: DockerRegistry) {
    this.#folder = folder;
    this.#registry = registry;
  }

  static async open(): Promise<Workshop> {
    const folder = await temporaryFolder();
    const workshop = new Workshop(folder, await dockerRegistry());
    await workshop.#makeRootfs();
    return workshop;
  }

  /** A root file system of busybox, with an empty `/srv`. */
  get rootfs(): string {
    return join(this.#folder.path, 'rootfs');
  }

  /** A path that nothing has yet. */
  path(name: string): string {
    this.#made += 1;
    return join(this.#folder.path, `${this.#made}-${name}`);
  }

  /** A reference in a docker-registry. */
  pushed(name: string): string {
    return `${this.#registry.address}/${name}:1`;
  }

  /** Runs a command to its good end; its output without the last newline. */
  async run(command: string, ...args: string[]): Promise<string> {
    const { stdout } = await runFile(command, args, { env: { ...process.env, TMPDIR: this.#folder.path } });
    return stdout.trimEnd();
  }

  /** Runs buildah on a storage of its own. */
  buildah(...args: string[]): Promise<string> {
    const storage = ['--root', join(this.#folder.path, 'root'), '--runroot', join(this.#folder.path, 'run')];
    return this.run('buildah', ...storage, '--storage-driver', 'vfs', ...args);
  }

  /** A container of buildah with the root file system and the config, to be committed. */
  async container(maker: string, ...options: string[]): Promise<string> {
    const container = await this.buildah('from', 'scratch');
    await this.buildah('copy', '--quiet', container, this.rootfs, '/');
    // Of equal layers these tools take the form that a registry already has, in place of the one that was asked for.
    const unique = this.path(maker);
    await writeFile(unique, `${unique}\n`);
    await this.buildah('copy', '--quiet', container, unique, '/etc/maker');
    const cmd = JSON.stringify(config.command);
    const settings = ['--user', config.user, '--workingdir', config.workingDir, '--env', config.env(maker)];
    await this.buildah('config', ...settings, '--cmd', cmd, ...options, container);
    return container;
  }

  /** An image that buildah made in Docker's schema 2 and pushed. */
  async dockerImage(maker: string): Promise<string> {
    const reference = this.pushed(maker);
    await this.commit(await this.container(maker), 'docker', `docker://${reference}`);
    return reference;
  }

  /** Commits a container and removes it. */
  async commit(container: string, format: 'oci' | 'docker', destination: string): Promise<void> {
    await this.buildah('commit', '--quiet', '--format', format, '--tls-verify=false', '--rm', container, destination);
  }

  async skopeoCopy(from: string, to: string, ...options: string[]): Promise<void> {
    const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    await this.run('skopeo', 'copy', '--quiet', ...insecure, ...options, from, to);
  }

  /** The manifest or index that a reference stands for, as the registry has it. */
  inspect(reference: string): Promise<string> {
    return this.run('skopeo', 'inspect', '--raw', '--tls-verify=false', `docker://${reference}`);
  }

  /** Does something with a dockerd that is there for nothing else. */
  async withDocker(use: (docker: (...args: string[]) => Promise<string>) => Promise<void>): Promise<void> {
    const folder = this.path('docker');
    await mkdir(folder);
    const group = await ControlGroup.make();
    try {
      const sandbox = new Sandbox({ group, env: { TMPDIR: folder }, signal: new AbortController().signal });
      const { docker, close } = await startDocker({ folder, sandbox });
      try {
        await use(docker);
      } finally {
        await close();
      }
    } finally {
      await group.remove();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#registry[Symbol.asyncDispose]();
    await this.#folder[Symbol.asyncDispose]();
  }

  async #makeRootfs(): Promise<void> {
    for (const name of ['bin', 'etc', 'srv']) await mkdir(join(this.rootfs, name), { recursive: true });
    await copyFile('/bin/busybox', join(this.rootfs, 'bin/busybox'));
    for (const name of ['echo', 'id', 'sh']) await symlink('busybox', join(this.rootfs, 'bin', name));
    await writeFile(join(this.rootfs, 'etc/passwd'), 'root:x:0:0::/:/bin/sh\n');
  }
}
