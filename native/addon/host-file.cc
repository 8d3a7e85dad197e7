// Files of the host that several processes use at once.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "system.h"

namespace gantry {
namespace {

Napi::Value TryLock(const Napi::CallbackInfo& info) {
  if (flock(info[0].ToNumber().Int32Value(), LOCK_EX | LOCK_NB) == 0) return Napi::Boolean::New(info.Env(), true);
  if (errno == EWOULDBLOCK) return Napi::Boolean::New(info.Env(), false);
  SystemError(info.Env(), errno, "flock").ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

Napi::Value RenameNew(const Napi::CallbackInfo& info) {
  std::string from = info[0].ToString().Utf8Value();
  std::string to = info[1].ToString().Utf8Value();
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
    SystemError(info.Env(), errno, "renameat2", to).ThrowAsJavaScriptException();
  }
  return info.Env().Undefined();
}

}  // namespace

void InitHostFile(Napi::Env env, Napi::Object exports) {
  exports.Set("tryLock", Napi::Function::New(env, TryLock));
  exports.Set("renameNew", Napi::Function::New(env, RenameNew));
}

}  // namespace gantry
