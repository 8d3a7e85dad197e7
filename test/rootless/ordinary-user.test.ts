import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { addUser, type TestUser } from './user.js';

const sh = (script: string) => JSON.stringify({ command: ['/bin/sh', '-c', script] });

requires({ root: true, commands: ['newuidmap', 'newgidmap', 'setpriv', 'useradd'], packages: ['uidmap', 'passwd'] })(
  'containers of an ordinary user with ranges of ids',
  () => {
    // Only its registry is used.
    let host: TestHost;
    let user: TestUser;
    beforeAll(async () => {
      host = await startHost();
      user = addUser(true);
    });
    afterAll(async () => {
      user[Symbol.dispose]();
      await host[Symbol.asyncDispose]();
    });

    it('have their own users', async () => {
      const { results, stderr } = await user.run('ids', [host.image]);
      expect(stderr).toBe('');
      expect(results).toMatchObject([{ errors: '', outside: String(user.uid) }]);
    });
  },
);
