// Mounts that are attached nowhere: nobody sees them but through their descriptor, and they end with it. They show what
// this kernel, these folders and these privileges can do, without a process or a namespace of their own.
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "task.h"

namespace gantry {

namespace {

class MountTask : public Task {
 public:
  explicit MountTask(Napi::Env env) : Task(env) {}

 protected:
  Napi::Value Result(Napi::Env env) final { return Napi::Number::New(env, mount_.release()); }

  Fd mount_;
};

class OverlayTask final : public MountTask {
 public:
  OverlayTask(Napi::Env env, std::string lower, std::string upper, std::string work, bool userxattr)
      : MountTask(env),
        lower_(std::move(lower)),
        upper_(std::move(upper)),
        work_(std::move(work)),
        userxattr_(userxattr) {}

 private:
  void Run() final {
    context_ = Fd(static_cast<int>(syscall(SYS_fsopen, "overlay", FSOPEN_CLOEXEC)));
    if (!context_.valid()) return Fail(errno, "fsopen");
    if (!Set("source", "overlay") || !SetFolder("lowerdir", lower_) || !SetFolder("upperdir", upper_) ||
        !SetFolder("workdir", work_) || !Configure(FSCONFIG_SET_FLAG, "volatile", nullptr) ||
        (userxattr_ && !Configure(FSCONFIG_SET_FLAG, "userxattr", nullptr)) ||
        !Configure(FSCONFIG_CMD_CREATE, nullptr, nullptr)) {
      return;
    }
    mount_ = Fd(static_cast<int>(syscall(SYS_fsmount, context_.get(), FSMOUNT_CLOEXEC, 0)));
    if (!mount_.valid()) Fail(errno, "fsmount");
  }

  bool Configure(unsigned command, const char* key, const char* value) {
    if (syscall(SYS_fsconfig, context_.get(), command, key, value, 0) == 0) return true;
    Fail(errno, "fsconfig");
    return false;
  }

  bool Set(const char* key, const char* value) { return Configure(FSCONFIG_SET_STRING, key, value); }

  // By a descriptor's name, which is short and has nothing in it that overlayfs gives a meaning.
  bool SetFolder(const char* key, const std::string& path) {
    Fd& folder = folders_[count_++];
    folder = Fd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid()) return Fail(errno, "open", path), false;
    return Set(key, ("/proc/self/fd/" + std::to_string(folder.get())).c_str());
  }

  std::string lower_;
  std::string upper_;
  std::string work_;
  bool userxattr_;
  Fd context_;
  // Open until the mount is made.
  Fd folders_[3];
  size_t count_ = 0;
};

class ReadonlyBindTask final : public MountTask {
 public:
  ReadonlyBindTask(Napi::Env env, std::string path) : MountTask(env), path_(std::move(path)) {}

 private:
  void Run() final {
    mount_ = Fd(static_cast<int>(
        syscall(SYS_open_tree, AT_FDCWD, path_.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)));
    if (!mount_.valid()) return Fail(errno, "open_tree", path_);
    mount_attr change = {};
    change.attr_set = MOUNT_ATTR_RDONLY;
    if (syscall(SYS_mount_setattr, mount_.get(), "", AT_EMPTY_PATH, &change, sizeof change) != 0) {
      Fail(errno, "mount_setattr", path_);
    }
  }

  std::string path_;
};

Napi::Value DetachedOverlay(const Napi::CallbackInfo& info) {
  std::string paths[3];
  for (size_t i = 0; i < 3; i++) paths[i] = info[i].ToString().Utf8Value();
  return (new OverlayTask(info.Env(), paths[0], paths[1], paths[2], info[3].ToBoolean()))->Start();
}

Napi::Value DetachedReadonlyBind(const Napi::CallbackInfo& info) {
  return (new ReadonlyBindTask(info.Env(), info[0].ToString().Utf8Value()))->Start();
}

}  // namespace

void InitDetachedMount(Napi::Env env, Napi::Object exports) {
  exports.Set("detachedOverlay", Napi::Function::New(env, DetachedOverlay));
  exports.Set("detachedReadonlyBind", Napi::Function::New(env, DetachedReadonlyBind));
}

}  // namespace gantry
