import { isUtf8 } from 'node:buffer';
import type { Isolator, SecretResolver } from '@gantry/interface';
import { refused } from './errors.js';
import { resolveSecret, withoutResolver } from './volume/resolve-secret.js';

const name = 'environment_secret';

/**
 * `environment_secret`: variables whose values are asked of the host program at the launch, and again for each process
 * that is started in the container. No document, plan or record has them.
 */
export function environmentSecret(options: { readonly secrets?: SecretResolver }): Isolator {
  const { secrets: resolver } = options;
  return {
    name,
    serves: ['secretEnv'],
    after: ['docker/runtime'],
    async edits({ spec }) {
      const names = Object.keys(spec.secretEnv ?? {});
      if (names.length === 0) return {};
      if (!resolver) throw withoutResolver(name, 'spec.secretEnv');
      return { secretEnv: names };
    },
    async secrets(spec, _use, call = {}) {
      const wanted = Object.entries(spec.secretEnv ?? {});
      if (wanted.length === 0) return {};
      const env = new Map<string, string>();
      for (const [variable, reference] of wanted) {
        const field = `spec.secretEnv.${variable}`;
        const value = Buffer.from(
          await resolveSecret(name, resolver, reference, { field, container: spec.id, ...call }),
        );
        if (value.includes(0) || !isUtf8(value)) {
          throw refused(
            name,
            `${field}: the secret ${reference.name} is no text without NUL bytes`,
            'mount it as a file',
            {
              details: { field },
            },
          );
        }
        env.set(variable, value.toString('utf8'));
      }
      return { env };
    },
  };
}
