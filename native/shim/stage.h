// A mount namespace that a first process has ahead of its launch. It holds nothing of the host, only an empty root, in which
// is mounted what every container has; the container's root is mounted over that, and what the empty one held is moved to it.
// Meanwhile the process is among the host's mounts: what it takes from there for the container is what the host has at the launch.
#pragma once

#include "fd.h"
#include "result.h"

namespace gantry {

class Stage {
 public:
  bool made() const { return hostMounts_.valid(); }
  // The empty root.
  int root() const { return root_.get(); }

  // Makes it, and enters it. `procfs` is the host's.
  Result Make(const Fd& procfs);
  // Goes to the host's mounts; nothing to do if it was not made.
  Result Leave();
  Result Enter();
  // Enters with a detached mount, which comes to lie over the empty root.
  Result EnterWith(int mount);
  // Has that mount be the caller's root, and forgets the host's mounts. `ownMounts` comes to hold the namespace.
  Result BecomeRoot(int mount, Fd* ownMounts);

 private:
  Fd hostMounts_;
  // Of the process as the shim made it; a namespace's own root may be another.
  Fd hostRoot_;
  Fd ownMounts_;
  Fd root_;
};

}  // namespace gantry
