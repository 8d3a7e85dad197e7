#include "overlay.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>

#include "filesystem.h"
#include "system-calls.h"
#include "text-buffer.h"

namespace gantry {
namespace {

constexpr size_t kPage = 4096;
constexpr uint32_t kMaxLayers = 500;  // the kernel's own limit

struct Layers {
  Text path[kMaxLayers];
  uint32_t count = 0;
};

// Highest first, as overlayfs takes them.
Result ReadLayers(const TextList& lower, Layers* out) {
  if (lower.count > kMaxLayers) return Failure(E2BIG, "too many layers");
  out->count = lower.count;
  FieldReader reader(lower);
  for (uint32_t i = lower.count; i > 0; i--) reader.Read(&out->path[i - 1]);
  return kOk;
}

// Appends a folder's descriptor, which stays open for the mount and closes at the exec.
Result AddFolder(TextBuffer<kPage - 1>* options, const char* path) {
  int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return CallFailure("open", path);
  options->AddSigned(folder);
  return kOk;
}

}  // namespace

Result MountOverlay(const RootOverlayStep& step, Fd* mount) {
  Layers layers;
  if (Result result = ReadLayers(step.lower, &layers); !result.ok()) return result;
  Fd context(FsOpen("overlay"));
  if (!context.valid()) return CallFailure("fsopen", "overlay");
  auto set = [&](const char* key, const char* value) {
    if (FsConfig(context.get(), FSCONFIG_SET_STRING, key, value) == 0) return kOk;
    int error = errno;
    return Failure(error, KernelMessage(context.get(), key), value);
  };
  if (Result result = set("source", "overlay"); !result.ok()) return result;

  for (uint32_t i = 0; i < layers.count; i++) {
    if (Result result = set("lowerdir+", layers.path[i].data); !result.ok()) return result;
  }
  if (Result result = set("upperdir", step.upper.data); !result.ok()) return result;
  if (Result result = set("workdir", step.work.data); !result.ok()) return result;
  if (FsConfig(context.get(), FSCONFIG_SET_FLAG, "volatile", nullptr) != 0) return CallFailure("volatile");
  if (FsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr) != 0) {
    int error = errno;
    return Failure(error, KernelMessage(context.get(), "fsconfig"), step.target.data);
  }
  *mount = Fd(FsMount(context.get(), 0));
  return mount->valid() ? kOk : CallFailure("fsmount", step.target.data);
}

Result MountClassicOverlay(const RootOverlayStep& step, const Fd& procfs, unsigned long flags) {
  Layers layers;
  if (Result result = ReadLayers(step.lower, &layers); !result.ok()) return result;
  Fd descriptors(openat(procfs.get(), "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!descriptors.valid() || fchdir(descriptors.get()) != 0) return CallFailure("open", "/proc/self/fd");

  TextBuffer<kPage - 1> options;
  for (uint32_t i = 0; i < layers.count; i++) {
    options.Add(i == 0 ? "lowerdir=" : ":");
    if (Result result = AddFolder(&options, layers.path[i].data); !result.ok()) return result;
  }
  options.Add(",volatile,upperdir=");
  if (Result result = AddFolder(&options, step.upper.data); !result.ok()) return result;
  options.Add(",workdir=");
  if (Result result = AddFolder(&options, step.work.data); !result.ok()) return result;
  if (options.full()) return Failure(E2BIG, "too many layers", step.target.data);
  return mount("overlay", step.target.data, "overlay", flags, options.c_str()) == 0
             ? kOk
             : CallFailure("mount", step.target.data);
}

}  // namespace gantry
