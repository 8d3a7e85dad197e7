import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { addon } from '../src/addon.js';

describe('sealedExecutable', () => {
  it('copies a file that nobody can change any more', async () => {
    const fd = await addon().sealedExecutable('/bin/true');
    try {
      expect(readFileSync(`/proc/self/fd/${fd}`).equals(readFileSync('/bin/true'))).toBe(true);
      expect(() => writeSync(fd, 'x', 0)).toThrow(/EPERM/);
      expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')).toMatch(/^flags:\s+0?2\d*/m);
      expect(spawnSync(`/proc/${process.pid}/fd/${fd}`).status).toBe(0);
    } finally {
      addon().closeFd(fd);
    }
  });

  it('copies bytes', async () => {
    const fd = await addon().sealedExecutable(Buffer.from('content'));
    expect(readFileSync(`/proc/self/fd/${fd}`, 'utf8')).toBe('content');
    expect(readlinkSync(`/proc/self/fd/${fd}`)).toBe('/memfd:gantry-shim (deleted)');
    addon().closeFd(fd);
  });

  it('rejects with the errno and path of a file that is absent', async () => {
    await expect(addon().sealedExecutable('/no/such')).rejects.toMatchObject({
      code: 'ENOENT',
      syscall: 'open',
      path: '/no/such',
    });
  });
});

describe('spawn', () => {
  it('rejects with the errno of an executable that is none', async () => {
    const fd = await addon().sealedExecutable(Buffer.from('no program'));
    const { socket, started } = addon().spawn(fd, ['x']);
    await expect(started).rejects.toMatchObject({ code: 'ENOEXEC', syscall: 'execve' });
    expect(readFileSync(socket, 'utf8')).toBe('');
    addon().closeFd(socket);
    addon().closeFd(fd);
    expect(() => addon().spawn(fd, ['x'])).toThrow(/EBADF/);
  });

  it('starts a process that is nobody’s child, with a socket and no environment', async () => {
    const fd = await addon().sealedExecutable('/bin/sh');
    const script =
      'cd /proc/$$; links=$(readlink fd/0 fd/1 fd/2); echo "$links" >&3; cat environ >&3; grep ^PPid status >&3';
    const { socket, started } = addon().spawn(fd, ['sh', '-c', `PATH=/bin; ${script}`]);
    await started;
    const received = readFileSync(socket, 'utf8');
    addon().closeFd(socket);
    addon().closeFd(fd);
    const [, parent] = /^(?:\/dev\/null\n){3}PPid:\t(\d+)\n$/.exec(received) ?? [];
    expect([undefined, String(process.pid)]).not.toContain(parent);
  });
});

describe('pidfds', () => {
  it('signal their process, and no other after its end', async () => {
    const pidfd = addon().pidfdOpen(process.pid);
    addon().pidfdSendSignal(pidfd, 0);
    addon().closeFd(pidfd);
    expect(() => addon().pidfdSendSignal(pidfd, constants.signals.SIGKILL)).toThrow(/EBADF/);
  });

  it('are refused for a process that is absent', () => {
    const gone = spawnSync('/bin/true').pid;
    expect(() => addon().pidfdOpen(gone)).toThrow(expect.objectContaining({ code: 'ESRCH', syscall: 'pidfd_open' }));
  });
});
