// The step that shows the layers of an image inside the root.
#include <fcntl.h>
#include <sys/mount.h>

#include "filesystem.h"
#include "first-process.h"
#include "places.h"
#include "overlay.h"

namespace gantry {
namespace {

// The mount at `staging` stays in the host's tree, which this process alone sees and leaves behind at `pivotRoot`.
Result MakeOverlay(const FirstProcess& process, const OverlayParts& parts, const char* staging, Fd* mount) {
  if (process.outside) return ReceiveMount(process, mount);
  if (AppendsLayers()) return MountOverlay(parts, process.procfs, mount);
  if (Result result = MountClassicOverlay(parts, process.procfs, staging, 0); !result.ok()) return result;
  Fd top(open(staging, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!top.valid()) return CallFailure("open", staging);
  return CloneTree(top.get(), false, mount);
}

}  // namespace

Result Perform(FirstProcess& process, const OverlayStep& step) {
  Fd mount;
  OverlayParts parts{step.lower, step.upper, step.work, step.userxattr != 0, step.target.data};
  Result result = MakeOverlay(process, parts, step.staging.data, &mount);
  if (result.ok() && !process.outside) result = SetAttributes(mount.get(), step.attributes, false);
  if (!result.ok()) return result;
  Fd target;
  result = OpenOrCreateInContainer(process, step.target.data, Kind::kFolder, &target);
  if (result.ok()) Unpin(process, step.target.data);
  return result.ok() ? Attach(mount.get(), target.get(), step.target.data) : result;
}

}  // namespace gantry
