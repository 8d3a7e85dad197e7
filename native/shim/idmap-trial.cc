// Sees a mount through other ids and forgets that again. Whether it can be is known to its file system alone, and asking takes a
// user namespace, which is nothing that a host program could make of itself.
#include "idmap-trial.h"

#include <sys/mount.h>

#include "first-process.h"
#include "host-tree.h"

namespace gantry {
namespace {

Result Try(const char* path, bool recursive) {
  uint8_t bytes[16];
  FieldWriter writer(bytes, sizeof bytes);
  writer.Write(Text{"0 1 1", 5});
  IdmapStep step;
  step.uids = step.gids = {bytes, writer.size(), 1};
  Fd procfs;
  Fd users;
  Fd mount;
  Result result = OpenProcfs(&procfs);
  if (result.ok()) result = MakeIdmap(step, procfs, &users);
  HostTree tree{};
  tree.source.data = path;
  tree.recursive = recursive;
  tree.idmap = recursive ? 2 : 1;
  tree.propagation = MS_PRIVATE;
  return result.ok() ? CloneHostTree(tree, users, &mount) : result;
}

}  // namespace

int TryIdmap(const char* path, bool recursive) { return Try(path, recursive).error; }

}  // namespace gantry
