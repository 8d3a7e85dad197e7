#!/bin/sh
# Builds Debian with python3, nodejs, perl and compilers in two layers, from Debian's packages, into an OCI image layout.
#   build-image.sh SCRATCH LAYOUT
# Run it in a mount namespace of its own: what it mounts is left to that. The packages come from where apt of this machine has them.
set -eu
scratch=$1 layout=$2
export TMPDIR="$scratch"

buildah() {
  command buildah --root "$scratch/root" --runroot "$scratch/run" --storage-driver overlay "$@"
}

container=$(buildah from scratch)
rootfs=$(buildah mount "$container")
mmdebstrap --quiet --mode=root --variant=minbase --format=tar bookworm - | tar -x -p --numeric-owner -C "$rootfs"
buildah umount "$container"
buildah commit --format docker --rm "$container" base

container=$(buildah from --pull-never base)
buildah run --isolation chroot --network host "$container" sh -euc '
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends python3-dev nodejs npm perl gcc g++ clang git
  apt-get clean
  rm -rf /var/lib/apt/lists/*'
buildah commit --format docker --rm "$container" image
# As docker makes them: schema 2, gzip.
buildah push --format v2s2 image "dir:$layout"
