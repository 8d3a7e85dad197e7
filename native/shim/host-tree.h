// Clones of files and folders of the host, ready to be attached in a container.
#pragma once

#include "fd.h"
#include "protocol.generated.h"
#include "result.h"

namespace gantry {

// What `openTree` and `bind` have in common; see protocol.json.
struct HostTree {
  Text source;
  Text identity;
  bool recursive;
  // 1 the mount itself, 2 all that is below it, too.
  uint8_t idmap;
  uint64_t attributes;
  uint64_t recursiveAttributes;
  uint64_t propagation;
};

template <typename Step>
HostTree TreeOf(const Step& step, uint64_t propagation) {
  return {step.source,     step.identity,            step.recursive != 0, step.idmap,
          step.attributes, step.recursiveAttributes, propagation};
}

// A clone with its attributes, attached nowhere; ESTALE if the source is not what `identity` says. `idmap` is the user
// namespace through which it is seen, if it is to be.
Result CloneHostTree(const HostTree& tree, const Fd& idmap, Fd* mount);

// A user namespace in which nobody lives, with the maps of the step. `procfs` is one that shows the caller's children.
Result MakeIdmap(const IdmapStep& step, const Fd& procfs, Fd* out);

}  // namespace gantry
