import { execFileSync } from 'node:child_process';

/** Lists a tree as the kernel shows it; names as characters for bytes. */
const listing = `
import hashlib, json, os, stat, sys
root, found, links = os.fsencode(sys.argv[1]), {}, {}
def look(path):
    s = os.lstat(path)
    item = [oct(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns]
    if stat.S_ISREG(s.st_mode): item += [s.st_size, hashlib.sha256(open(path, 'rb').read()).hexdigest()]
    if stat.S_ISLNK(s.st_mode): item.append(os.readlink(path).decode('latin1'))
    if stat.S_ISCHR(s.st_mode) or stat.S_ISBLK(s.st_mode): item.append(s.st_rdev)
    relative = os.path.relpath(path, root).decode('latin1')
    if not stat.S_ISDIR(s.st_mode): item.append('= ' + links.setdefault(s.st_ino, relative))
    item.append({n: os.getxattr(path, n, follow_symlinks=False).hex() for n in os.listxattr(path, follow_symlinks=False)})
    found[relative] = item
def walk(folder):
    look(folder)
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        walk(path) if stat.S_ISDIR(os.lstat(path).st_mode) else look(path)
walk(root)
json.dump(found, sys.stdout)`;

/** By path: mode, owner, times, size and digest, link target, device, the first path of the same file, attributes. */
export function listTree(root: string): Record<string, unknown[]> {
  const output = execFileSync('python3', ['-c', listing, root], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  return JSON.parse(output) as Record<string, unknown[]>;
}

/** Makes a tree with all that tar(1) can pack; `long` adds names that the oldest formats cannot hold. */
const planting = `
import os, random, sys
root, long, privileged = os.fsencode(sys.argv[1]), sys.argv[2] == 'long', os.geteuid() == 0
random.seed(42)
def at(*names):
    path = os.path.join(root, *[os.fsencode(n) for n in names])
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path
def write(path, data):
    with open(path, 'wb') as f: f.write(data)
for i in range(60): write(at('dir%d' % (i % 7), 'file%d' % i), random.randbytes(random.choice([0, 1, 511, 512, 513, 5000])))
write(at('big'), random.randbytes(700000))
write(at(b'name\\xff\\xfe'), b'x')
write(at('with space\\nand newline'), b'y')
write(at('suid'), b'z')
with open(at('sparse'), 'wb') as f:
    for where in (0, 100000, 3000000, 3100000, 3200000, 3300000, 3400000, 9000000):
        f.seek(where)
        f.write(b'data at %d' % where)
    f.truncate(12000000)
os.symlink('../nowhere/at all', at('links', 'dangling'))
os.symlink('dangling', at('links', 'again'))
os.symlink('/etc/passwd', at('links', 'absolute'))
os.link(at('big'), at('links', 'hard'))
os.mkfifo(at('fifo'))
os.makedirs(at('empty', 'nested'))
if long:
    write(at('l' * 120, 'm' * 130, 'n' * 200), b'long')
    os.symlink('t' * 300, at('links', 'long'))
    os.link(at('l' * 120, 'm' * 130, 'n' * 200), at('links', 'long hard'))
os.chmod(at('suid'), 0o4711)
os.chmod(at('empty'), 0o1777)
if privileged:
    os.mknod(at('null'), 0o20640, os.makedev(1, 3))
    os.mknod(at('disk'), 0o60600, os.makedev(259, 7))
    os.chown(at('dir1'), 1000, 1001)
    os.chown(at('suid'), 65534, 2000000)
    os.chmod(at('suid'), 0o4711)
    os.lchown(at('links', 'dangling'), 7, 8)
    os.setxattr(at('suid'), 'trusted.test', b'\\x00\\x01\\xff=\\n')
    os.setxattr(at('dir2'), 'trusted.test', b'folder')
    os.setxattr(at('big'), 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))
os.utime(at('dir3'), ns=(0, 1234567890123456789))
os.utime(at('big'), ns=(0, -5000000000))
os.utime(at('links', 'dangling'), ns=(0, 99000000000), follow_symlinks=False)`;

/** Fills an empty folder. */
export function plantTree(root: string, names: 'long' | 'short'): void {
  execFileSync('python3', ['-c', planting, root, names]);
}

/** What Python's tarfile reads in an archive, in the form of {@link readTar}'s entries. */
const reading = `
import hashlib, json, sys, tarfile
entries = []
with tarfile.open(sys.argv[1], encoding='utf8', errors='surrogateescape') as archive:
    for m in archive:
        kind = {b'0': 'file', b'\\0': 'file', b'7': 'file', b'S': 'file', b'1': 'hardlink', b'2': 'symlink', b'3': 'character',
                b'4': 'block', b'5': 'directory', b'6': 'fifo'}[m.type]
        data = archive.extractfile(m).read() if kind == 'file' else b''
        device = [m.devmajor, m.devminor] if kind in ('character', 'block') else [0, 0]
        name = m.name.encode('utf8', 'surrogateescape').decode('latin1')
        entries.append([name.rstrip('/'), kind, m.mode, m.uid, m.gid, int(m.mtime // 1), len(data), hashlib.sha256(data).hexdigest(), device])
json.dump(entries, sys.stdout)`;

/** Each entry's name, type, mode, owner, time, size, digest and device numbers. */
export function readWithPython(path: string): unknown[][] {
  const output = execFileSync('python3', ['-c', reading, path], { encoding: 'utf8', maxBuffer: 2 ** 28 });
  return JSON.parse(output) as unknown[][];
}
