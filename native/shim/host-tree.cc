#include "host-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/stat.h>

#include "filesystem.h"
#include "number.h"
#include "system-calls.h"

namespace gantry {
namespace {

// Whether what was opened is what the host looked at: a path may lead elsewhere by now.
Result Verify(const struct stat& info, Text identity, const char* path) {
  if (identity.empty()) return kOk;
  const char* text = identity.data;
  uint64_t device;
  uint64_t inode;
  if (!ReadNumber(&text, &device) || *text++ != ':' || !ReadNumber(&text, &inode) || *text != 0) {
    return Failure(EINVAL, "identity", path);
  }
  return info.st_dev == device && info.st_ino == inode ? kOk : Failure(ESTALE, "another is there now", path);
}

Result Change(int mount, bool recursive, mount_attr change, const char* what) {
  unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  return MountSetAttributes(mount, flags, &change) == 0 ? kOk : CallFailure(what);
}

Result SetAll(const HostTree& tree, const Fd& idmap, int mount) {
  if (tree.propagation != 0) {
    mount_attr change{};
    change.propagation = tree.propagation;
    if (Result result = Change(mount, tree.recursive, change, "propagation"); !result.ok()) return result;
  }
  if (tree.idmap != 0) {
    mount_attr change{};
    change.attr_set = MOUNT_ATTR_IDMAP;
    change.userns_fd = static_cast<uint64_t>(idmap.get());
    if (Result result = Change(mount, tree.idmap == 2, change, "idmap"); !result.ok()) return result;
  }
  if (Result result = SetAttributes(mount, tree.recursiveAttributes, true); !result.ok()) return result;
  return SetAttributes(mount, tree.attributes, false);
}

}  // namespace

Result CloneHostTree(const HostTree& tree, const Fd& idmap, Fd* mount) {
  Fd source(open(tree.source.data, O_PATH | O_CLOEXEC));
  struct stat info;
  if (!source.valid() || fstat(source.get(), &info) != 0) return CallFailure("open", tree.source.data);
  if (Result result = Verify(info, tree.identity, tree.source.data); !result.ok()) return result;
  Result result = CloneTree(source.get(), tree.recursive, mount);
  if (result.ok()) result = SetAll(tree, idmap, mount->get());
  result.path = tree.source.data;
  return result;
}

}  // namespace gantry
