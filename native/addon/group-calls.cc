// Control groups made and set up by lists of calls.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <vector>

#include "system.h"

namespace gantry {
namespace {

struct Call {
  std::string kind;
  std::string path;
  std::vector<std::string> values;
};

bool ReadAll(int fd, std::string& text) {
  char buffer[4096];
  for (;;) {
    // From the start: the same descriptor has written.
    const ssize_t size = pread(fd, buffer, sizeof buffer, static_cast<off_t>(text.size()));
    if (size <= 0) return size == 0;
    text.append(buffer, static_cast<size_t>(size));
  }
}

bool WriteAll(int fd, const std::vector<std::string>& values) {
  for (const std::string& value : values) {
    if (write(fd, value.data(), value.size()) != static_cast<ssize_t>(value.size())) return false;
  }
  return true;
}

int FlagsOf(const std::string& kind) {
  if (kind == "read") return O_RDONLY;
  return kind == "write" ? O_WRONLY : O_RDWR;
}

// False if it failed. What it read goes to the end of `reads`.
bool Carry(const Call& call, std::vector<std::optional<std::string>>& reads) {
  if (call.kind == "make") return mkdir(call.path.c_str(), 0755) == 0;
  if (call.kind == "rename") {
    if (call.values.size() == 1) return rename(call.path.c_str(), call.values[0].c_str()) == 0;
    errno = EINVAL;
    return false;
  }
  const Fd file(open(call.path.c_str(), FlagsOf(call.kind) | O_CLOEXEC));
  if (!file.valid()) {
    if (call.kind != "try" || errno != ENOENT) return false;
    reads.emplace_back();
    return true;
  }
  if (!WriteAll(file.get(), call.values)) return false;
  if (call.kind == "write") return true;
  std::string text;
  if (!ReadAll(file.get(), text)) return false;
  reads.emplace_back(std::move(text));
  return true;
}

Call CallOf(const Napi::Array& parts) {
  Call call{Napi::Value(parts[0u]).ToString(), Napi::Value(parts[1u]).ToString(), {}};
  for (uint32_t i = 2; i < parts.Length(); i++) call.values.push_back(Napi::Value(parts[i]).ToString());
  return call;
}

Napi::Value RunGroupCalls(const Napi::CallbackInfo& info) {
  const Napi::Array calls = info[0].As<Napi::Array>();
  std::vector<std::optional<std::string>> texts;
  for (uint32_t i = 0; i < calls.Length(); i++) {
    if (!Carry(CallOf(Napi::Value(calls[i]).As<Napi::Array>()), texts)) return info.Env().Undefined();
  }
  Napi::Array reads = Napi::Array::New(info.Env(), texts.size());
  for (uint32_t i = 0; i < texts.size(); i++) {
    reads[i] = texts[i] ? Napi::Value(Napi::String::New(info.Env(), *texts[i])) : info.Env().Null();
  }
  return reads;
}

}  // namespace

void InitGroupCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("runGroupCalls", Napi::Function::New(env, RunGroupCalls));
}

}  // namespace gantry
