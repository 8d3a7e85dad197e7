// Registers the addon: thin system calls for the host process. Nothing here copies the process, unshares or enters a namespace.
#include <string.h>

#include "system.h"

namespace gantry {

Napi::Error SystemError(Napi::Env env, int error, const char* syscall, const std::string& path) {
  const char* name = strerrorname_np(error);
  std::string code = name ? name : "UNKNOWN";
  std::string message = code + ": " + strerror(error) + ", " + syscall;
  if (!path.empty()) message += " '" + path + "'";
  Napi::Error result = Napi::Error::New(env, message);
  result.Set("code", Napi::String::New(env, code));
  result.Set("errno", Napi::Number::New(env, -error));
  result.Set("syscall", Napi::String::New(env, syscall));
  if (!path.empty()) result.Set("path", Napi::String::New(env, path));
  return result;
}

}  // namespace gantry

static Napi::Object Init(Napi::Env env, Napi::Object exports) {
  gantry::InitControlGroup(env, exports);
  gantry::InitDescriptors(env, exports);
  gantry::InitDetachedMount(env, exports);
  gantry::InitBlob(env, exports);
  gantry::InitFilesystem(env, exports);
  gantry::InitGroupCalls(env, exports);
  gantry::InitHostFile(env, exports);
  gantry::InitLandlock(env, exports);
  gantry::InitMount(env, exports);
  gantry::InitPollWatch(env, exports);
  gantry::InitProcess(env, exports);
  gantry::InitProgram(env, exports);
  gantry::InitProjectQuota(env, exports);
  gantry::InitTreeCopy(env, exports);
  gantry::InitTreeRead(env, exports);
  gantry::InitTreeUsage(env, exports);
  return exports;
}

NODE_API_MODULE(gantry, Init)
