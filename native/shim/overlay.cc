#include "overlay.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "filesystem.h"
#include "number.h"
#include "system-calls.h"
#include "text-buffer.h"

namespace gantry {
namespace {

constexpr size_t kPage = 4096;
constexpr uint32_t kMaxLayers = 500;
// fsconfig takes strings of 255 bytes.
constexpr uint32_t kMaxValue = 255;

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

Result EnterDescriptors(const Fd& procfs) {
  Fd descriptors(openat(procfs.get(), "self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return descriptors.valid() && fchdir(descriptors.get()) == 0 ? kOk : CallFailure("open", "/proc/self/fd");
}

// Appends the number of a folder's descriptor, which stays open for the mount and closes at the exec.
template <size_t kCapacity>
Result AddFolder(TextBuffer<kCapacity>* text, const char* path) {
  int folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return CallFailure("open", path);
  text->AddSigned(folder);
  return kOk;
}

// An overlay that is being described to the kernel option by option.
class Context {
 public:
  explicit Context(Fd fd) : fd_(static_cast<Fd&&>(fd)) {}

  int get() const { return fd_.get(); }

  Result Set(const char* key, const char* value) { return Set(key, value, value); }

  Result SetFolder(const char* key, const Text& path) {
    if (path.size <= kMaxValue) return Set(key, path.data, path.data);
    TextBuffer<20> number;
    if (Result result = AddFolder(&number, path.data); !result.ok()) return result;
    return Set(key, number.c_str(), path.data);
  }

  Result SetFlag(const char* key) {
    return FsConfig(get(), FSCONFIG_SET_FLAG, key, nullptr) == 0 ? kOk : Refused(key, "");
  }

  Result Create(const char* target) {
    return FsConfig(get(), FSCONFIG_CMD_CREATE, nullptr, nullptr) == 0 ? kOk : Refused("fsconfig", target);
  }

 private:
  Result Set(const char* key, const char* value, const char* path) {
    return FsConfig(get(), FSCONFIG_SET_STRING, key, value) == 0 ? kOk : Refused(key, path);
  }

  Result Refused(const char* otherwise, const char* path) {
    int error = errno;
    return Failure(error, KernelMessage(get(), otherwise), path);
  }

  Fd fd_;
};

// What is the same for every overlay.
Result SetBehaviour(Context& context, bool userxattr) {
  if (Result result = context.SetFlag("volatile"); !result.ok()) return result;
  if (Result result = context.Set("redirect_dir", "nofollow"); !result.ok()) return result;
  if (Result result = context.Set("metacopy", "off"); !result.ok()) return result;
  return userxattr ? context.SetFlag("userxattr") : kOk;
}

constexpr char kClassicBehaviour[] = ",volatile,redirect_dir=nofollow,metacopy=off";

Result MountClassicHere(const OverlayNames& names, bool userxattr, Fd* mount) {
  TextBuffer<kPage - 1> options;
  for (uint32_t i = names.lower; i > 0; i--) options.Add(i == names.lower ? "lowerdir=" : ":").AddNumber(i - 1);
  options.Add(",upperdir=").Add(names.upper).Add(",workdir=").Add(names.work).Add(kClassicBehaviour);
  if (userxattr) options.Add(",userxattr");
  if (options.full()) return Failure(E2BIG, "too many layers");
  constexpr char kPlace[] = "merged";
  if (mkdirat(AT_FDCWD, kPlace, 0700) != 0) return CallFailure("mkdir");
  if (::mount("overlay", kPlace, "overlay", 0, options.c_str()) != 0) return CallFailure("mount");
  Fd merged(open(kPlace, O_PATH | O_DIRECTORY | O_CLOEXEC));
  return merged.valid() ? CloneTree(merged.get(), false, mount) : CallFailure("open");
}

}  // namespace

bool AppendsLayers() {
  struct utsname host;
  if (uname(&host) != 0) return false;
  const char* text = host.release;
  uint64_t major;
  uint64_t minor;
  if (!ReadNumber(&text, &major) || *text++ != '.' || !ReadNumber(&text, &minor)) return false;
  return major > 6 || (major == 6 && minor >= 8);
}

Result MountOverlay(const OverlayParts& parts, const Fd& procfs, Fd* mount) {
  Layers layers;
  if (Result result = ReadLayers(parts.lower, &layers); !result.ok()) return result;
  if (Result result = EnterDescriptors(procfs); !result.ok()) return result;
  Fd fd(FsOpen("overlay"));
  if (!fd.valid()) return CallFailure("fsopen", "overlay");
  Context context(static_cast<Fd&&>(fd));
  if (Result result = context.Set("source", "overlay"); !result.ok()) return result;
  for (uint32_t i = 0; i < layers.count; i++) {
    if (Result result = context.SetFolder("lowerdir+", layers.path[i]); !result.ok()) return result;
  }
  if (Result result = context.SetFolder("upperdir", parts.upper); !result.ok()) return result;
  if (Result result = context.SetFolder("workdir", parts.work); !result.ok()) return result;
  if (Result result = SetBehaviour(context, parts.userxattr); !result.ok()) return result;
  if (Result result = context.Create(parts.target); !result.ok()) return result;
  *mount = Fd(FsMount(context.get(), 0));
  return mount->valid() ? kOk : CallFailure("fsmount", parts.target);
}

Result MountOverlayHere(const OverlayNames& names, bool userxattr, Fd* mount) {
  if (names.lower > kMaxLayers) return Failure(E2BIG, "too many layers");
  if (!AppendsLayers()) return MountClassicHere(names, userxattr, mount);
  Fd fd(FsOpen("overlay"));
  if (!fd.valid()) return CallFailure("fsopen", "overlay");
  Context context(static_cast<Fd&&>(fd));
  if (Result result = context.Set("source", "overlay"); !result.ok()) return result;
  for (uint32_t i = names.lower; i > 0; i--) {
    TextBuffer<12> name;
    name.AddNumber(i - 1);
    if (Result result = context.Set("lowerdir+", name.c_str()); !result.ok()) return result;
  }
  if (Result result = context.Set("upperdir", names.upper); !result.ok()) return result;
  if (Result result = context.Set("workdir", names.work); !result.ok()) return result;
  if (Result result = SetBehaviour(context, userxattr); !result.ok()) return result;
  if (Result result = context.Create(""); !result.ok()) return result;
  *mount = Fd(FsMount(context.get(), 0));
  return mount->valid() ? kOk : CallFailure("fsmount");
}

Result MountClassicOverlay(const OverlayParts& parts, const Fd& procfs, const char* path, unsigned long flags) {
  Layers layers;
  if (Result result = ReadLayers(parts.lower, &layers); !result.ok()) return result;
  if (Result result = EnterDescriptors(procfs); !result.ok()) return result;

  TextBuffer<kPage - 1> options;
  for (uint32_t i = 0; i < layers.count; i++) {
    options.Add(i == 0 ? "lowerdir=" : ":");
    if (Result result = AddFolder(&options, layers.path[i].data); !result.ok()) return result;
  }
  options.Add(",upperdir=");
  if (Result result = AddFolder(&options, parts.upper.data); !result.ok()) return result;
  options.Add(",workdir=");
  if (Result result = AddFolder(&options, parts.work.data); !result.ok()) return result;
  options.Add(kClassicBehaviour);
  if (parts.userxattr) options.Add(",userxattr");
  if (options.full()) return Failure(E2BIG, "too many layers", parts.target);
  return mount("overlay", path, "overlay", flags, options.c_str()) == 0 ? kOk : CallFailure("mount", parts.target);
}

}  // namespace gantry
