// Mounts in the host program's own mount namespace.
#include <errno.h>
#include <sys/mount.h>

#include "task.h"

namespace gantry {

namespace {

class PathTask : public Task {
 public:
  explicit PathTask(Napi::Env env) : Task(env) {}

 protected:
  Napi::Value Result(Napi::Env env) final { return env.Undefined(); }
};

class BindTask final : public PathTask {
 public:
  BindTask(Napi::Env env, std::string source, std::string target)
      : PathTask(env), source_(std::move(source)), target_(std::move(target)) {}

 private:
  void Run() final {
    if (mount(source_.c_str(), target_.c_str(), nullptr, MS_BIND, nullptr) != 0) Fail(errno, "mount", target_);
  }

  std::string source_;
  std::string target_;
};

class UnmountTask final : public PathTask {
 public:
  UnmountTask(Napi::Env env, std::string path) : PathTask(env), path_(std::move(path)) {}

 private:
  void Run() final {
    if (umount2(path_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0) Fail(errno, "umount2", path_);
  }

  std::string path_;
};

Napi::Value BindMount(const Napi::CallbackInfo& info) {
  std::string source = info[0].ToString().Utf8Value();
  return (new BindTask(info.Env(), std::move(source), info[1].ToString().Utf8Value()))->Start();
}

Napi::Value Unmount(const Napi::CallbackInfo& info) {
  return (new UnmountTask(info.Env(), info[0].ToString().Utf8Value()))->Start();
}

}  // namespace

void InitMount(Napi::Env env, Napi::Object exports) {
  exports.Set("bindMount", Napi::Function::New(env, BindMount));
  exports.Set("unmount", Napi::Function::New(env, Unmount));
}

}  // namespace gantry
