// What the kernel knows of Landlock; landlock_create_ruleset(2).
#include <errno.h>
#include <linux/landlock.h>
#include <sys/syscall.h>

#include "system.h"

namespace gantry {
namespace {

Napi::Value LandlockAbi(const Napi::CallbackInfo& info) {
  const long version = syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version >= 0) return Napi::Number::New(info.Env(), static_cast<double>(version));
  SystemError(info.Env(), errno, "landlock_create_ruleset").ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

}  // namespace

void InitLandlock(Napi::Env env, Napi::Object exports) {
  exports.Set("landlockAbi", Napi::Function::New(env, LandlockAbi));
}

}  // namespace gantry
