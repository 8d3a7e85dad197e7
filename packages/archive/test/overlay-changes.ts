import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

/** A mount of overlayfs over layers, of which the first is the uppermost. */
export class Overlay {
  readonly upper: string;
  readonly merged: string;

  private constructor(folder: string) {
    this.upper = join(folder, 'upper');
    this.merged = join(folder, 'merged');
  }

  /** The folder is to be on a file system that overlayfs takes as upper: not on an overlay itself. */
  static async mount(folder: string, layers: readonly string[], options = ''): Promise<Overlay> {
    const overlay = new Overlay(folder);
    const work = join(folder, 'work');
    for (const each of [folder, overlay.upper, work, overlay.merged]) await mkdir(each, { recursive: true });
    const data = `lowerdir=${layers.join(':')},upperdir=${overlay.upper},workdir=${work}${options}`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', data, overlay.merged]);
    return overlay;
  }

  /** Only the layers, at least two, to look at. */
  static async view(folder: string, layers: readonly string[]): Promise<Overlay> {
    const overlay = new Overlay(folder);
    await mkdir(overlay.merged, { recursive: true });
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `lowerdir=${layers.join(':')}`, overlay.merged]);
    return overlay;
  }

  [Symbol.dispose](): void {
    execFileSync('umount', [this.merged]);
  }
}

/** Does what programs do in a tree, chosen by a seed. */
const changing = `
import os, random, shutil, stat, sys
root, seed = os.fsencode(sys.argv[1]), int(sys.argv[2])
r = random.Random(seed)
def everything():
    found = []
    for folder, folders, files in os.walk(root):
        for name in folders + files: found.append(os.path.join(folder, name))
    return sorted(found)
def some(kind=lambda p: True):
    found = [p for p in everything() if os.path.lexists(p) and kind(p)]
    return r.choice(found) if found else None
def folder():
    return r.choice([root] + [p for p in everything() if os.path.isdir(p) and not os.path.islink(p)])
def new():
    return os.path.join(folder(), b'new%d' % r.randrange(10**6) + r.choice([b'', b'\\xff\\xfe', b' x', b'n' * 120]))
def plain(p): return os.path.isfile(p) and not os.path.islink(p)
def isdir(p): return os.path.isdir(p) and not os.path.islink(p)
def remove(p):
    shutil.rmtree(p) if isdir(p) else os.unlink(p)
def write():
    p = new() if r.random() < .6 else (some(plain) or new())
    with open(p, 'wb') as f: f.write(r.randbytes(r.choice([0, 1, 511, 5000, 70000])))
def append():
    p = some(plain)
    if p:
        with open(p, 'ab') as f: f.write(b'more')
def sparse():
    with open(new(), 'wb') as f:
        for _ in range(r.randrange(5)):
            f.seek(r.randrange(2**26)); f.write(b'data' * 300)
        f.truncate(r.choice([2**26, 2**24 + 7]) if f.tell() < 2**24 else f.tell() + 3)
def delete():
    p = some()
    if p: remove(p)
def replace():
    p = some()
    if p:
        remove(p)
        r.choice([lambda: os.mkdir(p), lambda: open(p, 'wb').close(), lambda: os.symlink(b'../nowhere', p)])()
def refill():
    p = some(isdir)
    if p:
        shutil.rmtree(p)
        os.mkdir(p)
        with open(os.path.join(p, b'only'), 'wb') as f: f.write(b'this')
def move():
    p, to = some(lambda p: not isdir(p)), new()
    if p: os.rename(p, to)
def link():
    p, to = some(lambda p: not isdir(p)), new()
    if p: os.link(p, to, follow_symlinks=False)
def mode():
    p = some(lambda p: not os.path.islink(p))
    if p: os.chmod(p, r.choice([0o600, 0o4755, 0o2711, 0o1777]))
def owner():
    p = some()
    if p: os.lchown(p, r.randrange(2**31), r.randrange(2**31))
def attribute():
    p = some(lambda p: plain(p) or isdir(p))
    if p: os.setxattr(p, r.choice([b'trusted.x', b'trusted.a=b', b'trusted.p%q']), r.randbytes(r.randrange(40)))
def capability():
    p = some(plain)
    if p: os.setxattr(p, 'security.capability', bytes.fromhex('0100000200040000000000000000000000000000'))
def time():
    p = some()
    if p: os.utime(p, ns=(0, r.randrange(-2**60, 2**60)), follow_symlinks=False)
def node():
    t, d = r.choice([(stat.S_IFCHR, os.makedev(1, 3)), (stat.S_IFBLK, os.makedev(259, 70000)), (stat.S_IFIFO, 0)])
    os.mknod(new(), t | 0o640, d)
def make():
    os.makedirs(os.path.join(new(), b'a', b'b'))
def symbolic():
    os.symlink(r.choice([b'/etc/passwd', b'..', b'x' * 300, b'\\xff']), new())
steps = [write, write, append, sparse, delete, delete, replace, refill, move, link, mode, owner, attribute, capability, time, node, make, symbolic]
for _ in range(int(sys.argv[3])): r.choice(steps)()
`;

/** Makes so many changes in a tree; the same seed makes the same ones in the same tree. */
export function changeTree(root: string, seed: number, count: number): void {
  execFileSync('python3', ['-c', changing, root, String(seed), String(count)]);
}
