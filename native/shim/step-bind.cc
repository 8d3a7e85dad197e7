// Steps that show a file or folder of the host inside the root.
#include <sys/mount.h>
#include <sys/stat.h>

#include "filesystem.h"
#include "first-process.h"
#include "host-tree.h"
#include "places.h"

namespace gantry {
namespace {

Result Take(FirstProcess& process, Fd* mount) {
  if (process.usedTrees == process.openedTrees) return Failure(EINVAL, "no tree was opened");
  *mount = static_cast<Fd&&>(process.trees[process.usedTrees++]);
  return kOk;
}

// The user namespace is for one mount.
Result Clone(FirstProcess& process, const HostTree& tree, Fd* mount) {
  if (process.outside) return ReceiveMount(process, mount);
  Result result = CloneHostTree(tree, process.idmap, mount);
  process.idmap.Close();
  return result;
}

}  // namespace

Result Perform(FirstProcess& process, const IdmapStep& step) {
  return process.outside ? kOk : MakeIdmap(step, process.procfs, &process.idmap);
}

Result Perform(FirstProcess& process, const OpenTreeStep& step) {
  if (process.openedTrees == FirstProcess::kMaxTrees) return Failure(E2BIG, "too many trees", step.source.data);
  Result result = Clone(process, TreeOf(step, step.propagation), &process.trees[process.openedTrees]);
  if (result.ok()) process.openedTrees++;
  return result;
}

Result Perform(FirstProcess& process, const BindStep& step) {
  Fd mount;
  // What a staged process takes from the host is cloned among the host's mounts, whose peer it is not to be.
  bool staged = process.stage.made();
  if (Result left = process.stage.Leave(); !left.ok()) return left;
  Result result = step.source.empty() ? Take(process, &mount)
                                      : Clone(process, TreeOf(step, staged ? MS_PRIVATE : 0), &mount);
  if (Result entered = process.stage.Enter(); !entered.ok()) return entered;
  struct stat info;
  if (result.ok() && fstat(mount.get(), &info) != 0) result = CallFailure("fstat", step.source.data);
  if (!result.ok()) return result;
  Kind kind = S_ISDIR(info.st_mode) ? Kind::kFolder : Kind::kFile;
  Fd target;
  result = OpenOrCreateInContainer(process, step.target.data, kind, &target);
  if (result.ok()) Unpin(process, step.target.data);
  return result.ok() ? Attach(mount.get(), target.get(), step.target.data) : result;
}

}  // namespace gantry
