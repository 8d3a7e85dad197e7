import { posix } from 'node:path';
import type { ContainerSpec, ImageConfig, Isolator, IsolatorEdits } from '@gantry/interface';
import { invalidField, refused } from '../errors.js';
import { hostnameOf } from '../hostname.js';
import { mergeCommand } from './command.js';
import { mergeEnvironment } from './environment.js';
import { resolveUser } from './user.js';

const name = 'docker/runtime';

/**
 * `docker/runtime`: command, environment, working folder and user, from the spec and the image's configuration.
 * Serves every image format, which all come as one `ImageConfig`, and containers without an image.
 */
export function dockerRuntime(): Isolator {
  return {
    name,
    after: ['filesystem/*'],
    async edits(context) {
      const { spec, image } = context;
      if (spec.sandbox) return nothing;
      const args = mergeCommand(spec, image);
      const cwd = workingFolder(spec, image);
      const { home, ...user } = await resolveUser(context);
      const { env, defaultEnv } = mergeEnvironment({
        home,
        hostname: hostnameOf(context),
        image: image?.env ?? [],
        spec: spec.env ?? {},
      });
      // Theirs are not for a document to hold; see environment_secret.
      for (const secret of Object.keys(spec.secretEnv ?? {})) delete defaultEnv[secret];
      return { args, env, defaultEnv, cwd, user };
    },
  };
}

/** A sandbox runs no program: its first process is the launcher's own, and this is what it is called. */
const nothing: IsolatorEdits = { args: ['sandbox'], env: {}, cwd: '/', user: { uid: 0, gid: 0 } };

/** The spec's folder, else the image's, else `/`. An image's relative one counts from the root, as in Docker. */
export function workingFolder(
  spec: Pick<ContainerSpec, 'workingDir'>,
  image: Pick<ImageConfig, 'workingDir'> | undefined,
): string {
  if (spec.workingDir !== undefined && !spec.workingDir.startsWith('/')) {
    throw invalidField('spec.workingDir', `must be an absolute path, not '${spec.workingDir}'`);
  }
  const folder = posix.resolve('/', spec.workingDir ?? image?.workingDir ?? '');
  if (folder.includes('\0')) throw refused(name, 'the working folder has a NUL byte in it', 'leave it out');
  return folder;
}
