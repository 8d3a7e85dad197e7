// Control groups for the host: several writes to a file of the kernel's at once, and device programs of cgroup v2.
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>

#include <string>
#include <vector>

#include "system.h"

namespace gantry {
namespace {

Napi::Value Throw(Napi::Env env, int error, const char* syscall, const std::string& path = {}) {
  SystemError(env, error, syscall, path).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value WriteEach(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const Napi::Array values = info[1].As<Napi::Array>();
  const Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return Throw(info.Env(), errno, "open", path);
  for (uint32_t i = 0; i < values.Length(); i++) {
    const std::string value = Napi::Value(values[i]).ToString().Utf8Value();
    const ssize_t written = write(file.get(), value.data(), value.size());
    if (written < 0) return Throw(info.Env(), errno, "write", path);
    if (static_cast<size_t>(written) != value.size()) return Throw(info.Env(), EIO, "write", path);
  }
  return info.Env().Undefined();
}

Napi::Value ReadWhole(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return Throw(info.Env(), errno, "open", path);
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t size = read(file.get(), buffer, sizeof buffer);
    if (size < 0) return Throw(info.Env(), errno, "read", path);
    if (size == 0) return Napi::String::New(info.Env(), text);
    text.append(buffer, static_cast<size_t>(size));
  }
}

long Bpf(int command, bpf_attr* attributes) { return syscall(SYS_bpf, command, attributes, sizeof *attributes); }

Napi::Value LoadDeviceProgram(const Napi::CallbackInfo& info) {
  const Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  // A copy, for the kernel wants them aligned.
  std::vector<bpf_insn> instructions(bytes.ByteLength() / sizeof(bpf_insn));
  memcpy(instructions.data(), bytes.Data(), instructions.size() * sizeof(bpf_insn));
  bpf_attr attributes;
  memset(&attributes, 0, sizeof attributes);
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<uint64_t>(instructions.data());
  attributes.insn_cnt = static_cast<uint32_t>(instructions.size());
  attributes.license = reinterpret_cast<uint64_t>("Apache-2.0");
  const long program = Bpf(BPF_PROG_LOAD, &attributes);
  if (program < 0) return Throw(info.Env(), errno, "bpf");
  return Napi::Number::New(info.Env(), static_cast<double>(program));
}

Napi::Value AttachDeviceProgram(const Napi::CallbackInfo& info) {
  const std::string path = info[1].ToString().Utf8Value();
  const Fd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return Throw(info.Env(), errno, "open", path);
  bpf_attr attach;
  memset(&attach, 0, sizeof attach);
  attach.target_fd = static_cast<uint32_t>(folder.get());
  attach.attach_bpf_fd = info[0].As<Napi::Number>().Uint32Value();
  attach.attach_type = BPF_CGROUP_DEVICE;
  // Those of groups above, and of groups that the container may make, hold as well.
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (Bpf(BPF_PROG_ATTACH, &attach) != 0) return Throw(info.Env(), errno, "bpf", path);
  bpf_attr query;
  memset(&query, 0, sizeof query);
  query.query.target_fd = static_cast<uint32_t>(folder.get());
  query.query.attach_type = BPF_CGROUP_DEVICE;
  if (Bpf(BPF_PROG_QUERY, &query) != 0) return Throw(info.Env(), errno, "bpf", path);
  return Napi::Number::New(info.Env(), query.query.prog_cnt);
}

}  // namespace

void InitControlGroup(Napi::Env env, Napi::Object exports) {
  exports.Set("writeEach", Napi::Function::New(env, WriteEach));
  exports.Set("readWhole", Napi::Function::New(env, ReadWhole));
  exports.Set("loadDeviceProgram", Napi::Function::New(env, LoadDeviceProgram));
  exports.Set("attachDeviceProgram", Napi::Function::New(env, AttachDeviceProgram));
}

}  // namespace gantry
