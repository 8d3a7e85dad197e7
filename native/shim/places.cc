#include "places.h"

#include <string.h>

namespace gantry {
namespace {

constexpr const char* kPlaces[FirstProcess::kPlaces] = {"/proc", "/sys", "/dev"};

struct Start {
  int folder;
  const char* path;
};

Start StartOf(const FirstProcess& process, const char* path) {
  for (int i = 0; i < FirstProcess::kPlaces; i++) {
    size_t size = strlen(kPlaces[i]);
    if (process.pinned[i].valid() && strncmp(path, kPlaces[i], size) == 0 && path[size] == '/') {
      return {process.pinned[i].get(), path + size};
    }
  }
  return {process.root.get(), path};
}

// Of a failure the path is told whole.
Result Whole(Result result, const char* path) {
  result.path = path;
  return result;
}

}  // namespace

void Pin(FirstProcess& process, const char* target, Fd mount) {
  for (int i = 0; i < FirstProcess::kPlaces; i++) {
    if (strcmp(target, kPlaces[i]) == 0) process.pinned[i] = static_cast<Fd&&>(mount);
  }
}

void Unpin(FirstProcess& process, const char* target) { Pin(process, target, Fd()); }

Result OpenInContainer(const FirstProcess& process, const char* path, uint64_t resolve, Fd* out) {
  Start start = StartOf(process, path);
  return Whole(OpenInRoot(start.folder, start.path, resolve, out), path);
}

Result OpenOrCreateInContainer(const FirstProcess& process, const char* path, Kind kind, Fd* out) {
  Start start = StartOf(process, path);
  return Whole(OpenOrCreateInRoot(start.folder, start.path, kind, out), path);
}

Result OpenParentInContainer(const FirstProcess& process, const char* path, Fd* parent, const char** name) {
  Start start = StartOf(process, path);
  return Whole(OpenParentInRoot(start.folder, start.path, parent, name), path);
}

}  // namespace gantry
