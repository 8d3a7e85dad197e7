import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lookUpUser } from '../src/docker/user.js';

const bytes = (text: string) => new TextEncoder().encode(text);

const passwd = `root:x:0:0:root:/root:/bin/sh
# a comment
broken line
app:x:1000:1001:App:/home/app:/bin/sh
1000:x:0:0:evil:/evil:/bin/sh
4294967296:x:0:0:evil:/evil:/bin/sh
app:x:5:5:second:/second:/bin/sh
overflow:x:4294967295:0::/:/bin/sh
negative:x:-1:0::/:/bin/sh
hexadecimal:x:0x0:0::/:/bin/sh
spaced:x: 0:0::/:/bin/sh
relative:x:20:20::home:/bin/sh
nohome:x:21:21:::/bin/sh
escape:x:22:22::/home/\u001bx:/bin/sh
nul\0:x:0:0::/:/bin/sh
:x:0:0::/:/bin/sh
`;
const group = `root:x:0:
wheel:x:10:root,app
app:x:1001:
disk:x:6:app
2000:x:0:app
video:x:44:apple,xapp
broken:x:zero:app
`;

const resolve = (text: string, accounts = passwd) => lookUpUser(text, bytes(accounts), bytes(group));

describe('lookUpUser', () => {
  it.each([
    ['', 0, 0, [0, 10], '/root'],
    ['root', 0, 0, [0, 10], '/root'],
    ['app', 1000, 1001, [1001, 10, 6, 0], '/home/app'],
    ['1000', 1000, 1001, [1001, 10, 6, 0], '/home/app'],
    ['app:disk', 1000, 6, [6], '/home/app'],
    ['app:77', 1000, 77, [77], '/home/app'],
    ['1000:2000', 1000, 2000, [2000], '/home/app'],
    ['65534', 65534, 0, [0], '/'],
    ['2147483648', 2147483648, 0, [0], '/'],
    ['4294967294:4294967294', 4294967294, 4294967294, [4294967294], '/'],
    ['007', 7, 0, [0], '/'],
    ['relative', 20, 20, [20], '/'],
    ['nohome', 21, 21, [21], '/'],
  ])('%j is uid %d, gid %d', async (text, uid, gid, additionalGids, home) => {
    expect(await resolve(text)).toEqual({ uid, gid, additionalGids, home });
  });

  it.each([
    'nobody',
    'app:nogroup',
    '4294967295',
    '4294967296',
    '18446744073709551616',
    '99999999999999999999999999',
    'app:4294967295',
    'overflow',
    'negative',
    'hexadecimal',
    'spaced',
    'broken line',
    '# a comment',
    '-1',
    '+0',
    '0x0',
    ' 0',
    '1e3',
    '١',
    ':',
    ':0',
    'app:',
    'app:app:app',
    'app\n',
    'app\0',
    'nul\0',
    'escape',
    'x'.repeat(600),
  ])('refuses %j', async (text) => {
    await expect(resolve(text)).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('needs no files for numbers, and root is the default', async () => {
    expect(await lookUpUser('5:6', undefined, undefined)).toMatchObject({ uid: 5, gid: 6 });
    expect(await lookUpUser('', undefined, undefined)).toMatchObject({ uid: 0, gid: 0 });
  });

  it('never takes digits for a name, and never leaves the range of ids', async () => {
    const line = fc.tuple(fc.stringMatching(/^[0-9a-z]{1,4}$/), fc.nat(9), fc.nat(9));
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.nat({ max: 2 ** 31 }), async (lines, uid) => {
        const accounts = lines.map(([name, id, gid]) => `${name}:x:${id}:${gid}::/:/bin/sh`).join('\n');
        expect((await resolve(String(uid), accounts)).uid).toBe(uid);
      }),
    );
  });

  it('leaves the event loop its turns over a file of very many lines', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const lines = bytes('a:x:1:1::/:\n'.repeat(200_000));
    await lookUpUser('1000', lines, undefined);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(10);
  });
});
