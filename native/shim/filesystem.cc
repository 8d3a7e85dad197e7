#include "filesystem.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "device.h"
#include "system-calls.h"
#include "text-buffer.h"

namespace gantry {
namespace {

struct FlagMeaning {
  uint64_t flag;
  uint64_t attribute;  // of the mount
  const char* option;  // of the file system
};

constexpr FlagMeaning kMeanings[] = {
    {MS_RDONLY, MOUNT_ATTR_RDONLY, nullptr},
    {MS_NOSUID, MOUNT_ATTR_NOSUID, nullptr},
    {MS_NODEV, MOUNT_ATTR_NODEV, nullptr},
    {MS_NOEXEC, MOUNT_ATTR_NOEXEC, nullptr},
    {MS_NOATIME, MOUNT_ATTR_NOATIME, nullptr},
    {MS_STRICTATIME, MOUNT_ATTR_STRICTATIME, nullptr},
    {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME, nullptr},
    {MS_RELATIME, MOUNT_ATTR_RELATIME, nullptr},
    {MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW, nullptr},
    {MS_SYNCHRONOUS, 0, "sync"},
    {MS_DIRSYNC, 0, "dirsync"},
    {MS_LAZYTIME, 0, "lazytime"},
    {MS_SILENT, 0, nullptr},
};

Result ApplyFlags(int context, uint64_t flags, uint64_t* attributes) {
  for (const FlagMeaning& meaning : kMeanings) {
    if ((flags & meaning.flag) == 0) continue;
    flags &= ~meaning.flag;
    *attributes |= meaning.attribute;
    if (meaning.option != nullptr && FsConfig(context, FSCONFIG_SET_FLAG, meaning.option, nullptr) != 0) {
      return CallFailure(meaning.option);
    }
  }
  return flags == 0 ? kOk : Failure(EINVAL, "mount flags");
}

Result ApplyOptions(int context, Text options) {
  char option[4096];
  for (const char* next = options.data; *next != 0;) {
    size_t size = strcspn(next, ",");
    if (size >= sizeof option) return Failure(ENAMETOOLONG, "mount options");
    memcpy(option, next, size);
    option[size] = 0;
    next += size + (next[size] == ',' ? 1 : 0);
    if (size == 0) continue;

    char* value = strchr(option, '=');
    if (value != nullptr) *value++ = 0;
    if (FsConfig(context, value == nullptr ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, option, value) != 0) {
      int error = errno;
      return Failure(error, KernelMessage(context, "mount options"));
    }
  }
  return kOk;
}

}  // namespace

const char* KernelMessage(int context, const char* otherwise) {
  static char message[256];
  ssize_t size = read(context, message, sizeof message - 1);
  // A letter for the severity and a blank come before the text.
  if (size <= 2) return otherwise;
  message[size] = 0;
  message[strcspn(message, "\n")] = 0;
  return message + 2;
}

Result NewFilesystem(const char* type, const char* source, Text options, uint64_t flags, Fd* mount) {
  Fd context(FsOpen(type));
  if (!context.valid()) return CallFailure("fsopen", type);
  uint64_t attributes = 0;
  if (Result result = ApplyFlags(context.get(), flags, &attributes); !result.ok()) return result;
  if (source[0] != 0 && FsConfig(context.get(), FSCONFIG_SET_STRING, "source", source) != 0) {
    return CallFailure("mount source", source);
  }
  if (Result result = ApplyOptions(context.get(), options); !result.ok()) return result;
  if (FsConfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr) != 0) {
    int error = errno;
    return Failure(error, KernelMessage(context.get(), "fsconfig"));
  }
  *mount = Fd(FsMount(context.get(), attributes));
  return mount->valid() ? kOk : CallFailure("fsmount");
}

Result CloneTree(int source, bool recursive, Fd* mount) {
  *mount = Fd(OpenTree(source, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0)));
  return mount->valid() ? kOk : CallFailure("open_tree");
}

Result SetAttributes(int mount, uint64_t attributes, bool recursive) {
  if (attributes == 0) return kOk;
  mount_attr change{};
  change.attr_set = attributes;
  // The kinds of atime exclude each other: the kernel wants the field cleared before one is set.
  constexpr uint64_t kAtime = MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME;
  if ((attributes & kAtime) != 0) change.attr_clr = MOUNT_ATTR__ATIME;
  unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  return MountSetAttributes(mount, flags, &change) == 0 ? kOk : CallFailure("mount_setattr");
}

Result CloneDevice(const DeviceStep& step, Fd* mount) {
  Fd source(open(step.host.data, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat info;
  if (!source.valid() || fstat(source.get(), &info) != 0) return CallFailure("open", step.host.data);
  if ((info.st_mode & S_IFMT) != step.type || info.st_rdev != DeviceNumber(step.major, step.minor)) {
    return Failure(ENODEV, "not this device", step.host.data);
  }
  Result result = CloneTree(source.get(), false, mount);
  if (result.ok()) result = SetAttributes(mount->get(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false);
  result.path = step.host.data;
  return result;
}

Result MakePrivate(int mount) {
  mount_attr change{};
  change.propagation = MS_PRIVATE;
  return MountSetAttributes(mount, AT_EMPTY_PATH | AT_RECURSIVE, &change) == 0 ? kOk : CallFailure("mount_setattr");
}

Result Attach(int mount, int target, const char* path) {
  return MoveMount(mount, target) == 0 ? kOk : CallFailure("move_mount", path);
}

}  // namespace gantry
