import { installPackages } from './debian-packages.mjs';

/** Debian's packages that tests use as peers and as judges, each with what for. A test whose package is missing skips. */
const testPackages = new Map([
  ['attr', 'reads and sets extended attributes with another hand than ours'],
  ['btrfs-progs', 'makes a file system whose files share blocks'],
  ['buildah', 'builds images with another hand than ours'],
  ['busybox-static', 'programs to run in containers made of one file'],
  ['containernetworking-plugins', 'plugins for the networks of containers'],
  ['cpio', "packs the virtual machine's first file system"],
  ['crun', 'carries out the same OCI documents, for comparison'],
  ['docker-registry', 'a real registry to pull from and push to'],
  ['e2fsprogs', 'makes ext4 file systems with project quotas'],
  ['golang-github-containers-common', 'has a seccomp profile that others wrote'],
  ['golang-github-opencontainers-image-spec-dev', 'the JSON schemas of OCI, which judge what the parsers take'],
  ['iproute2', 'makes and shows networks of the host'],
  ['iptables', 'what plugins map ports with'],
  ['kmod', "finds the kernel modules of the virtual machine's kernel"],
  ['mmdebstrap', 'makes the root file systems of images in the shape of those on Docker Hub'],
  ['nftables', 'the rules of egress, and what the kernel holds of them'],
  ['libseccomp-dev', 'compiles the same seccomp profiles, for comparison'],
  ['passt', "connects containers of ordinary users to the host's network"],
  ['qemu-system-x86', 'the virtual machine with a pure cgroup v2 tree'],
  ['runc', 'carries out the same OCI documents, for comparison'],
  ['skopeo', 'reads the image layout that the store writes, and fills registries'],
  ['slirp4netns', "connects containers of ordinary users to the host's network"],
  ['strace', 'makes system calls fail'],
  ['uidmap', 'buildah and skopeo want it to be there'],
  ['umoci', 'makes and unpacks image layouts with another hand than ours'],
  ['xfsprogs', 'makes XFS file systems with project quotas'],
]);

/** Installs what is missing, where that is possible: on Debian, as root. Never fails; says what tests will have to do without. */
export const installTestPackages = () => installPackages(testPackages, 'tests that need it skip');
