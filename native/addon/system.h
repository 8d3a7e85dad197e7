// What every file of the addon shares: owned descriptors and errors that look like Node.js system errors.
#pragma once

#include <napi.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace gantry {

// A file descriptor that is closed with its scope.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// An Error with `code` (ENOENT), `errno` (negative, as in Node.js), `syscall` and `path`.
Napi::Error SystemError(Napi::Env env, int error, const char* syscall, const std::string& path = {});

void InitControlGroup(Napi::Env env, Napi::Object exports);
void InitDescriptors(Napi::Env env, Napi::Object exports);
void InitDetachedMount(Napi::Env env, Napi::Object exports);
void InitBlob(Napi::Env env, Napi::Object exports);
void InitFilesystem(Napi::Env env, Napi::Object exports);
void InitGroupCalls(Napi::Env env, Napi::Object exports);
void InitHostFile(Napi::Env env, Napi::Object exports);
void InitLandlock(Napi::Env env, Napi::Object exports);
void InitMount(Napi::Env env, Napi::Object exports);
void InitPollWatch(Napi::Env env, Napi::Object exports);
void InitProcess(Napi::Env env, Napi::Object exports);
void InitProgram(Napi::Env env, Napi::Object exports);
void InitProjectQuota(Napi::Env env, Napi::Object exports);
void InitTreeCopy(Napi::Env env, Napi::Object exports);
void InitTreeRead(Napi::Env env, Napi::Object exports);
void InitTreeUsage(Napi::Env env, Napi::Object exports);

}  // namespace gantry
