// Work for libuv's thread pool that ends as a promise.
#pragma once

#include "system.h"

namespace gantry {

// One piece of work, deleted when it is done. `Run` leaves errno's value in `error_` and names the call.
class Task : public Napi::AsyncWorker {
 public:
  explicit Task(Napi::Env env) : AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise Start() {
    Napi::Promise promise = deferred_.Promise();
    Queue();
    return promise;
  }

 protected:
  virtual void Run() = 0;
  virtual Napi::Value Result(Napi::Env env) = 0;

  void Fail(int error, const char* syscall, const std::string& path = {}) {
    error_ = error;
    syscall_ = syscall;
    path_ = path;
  }

 private:
  void Execute() final { Run(); }
  void OnOK() final {
    Napi::HandleScope scope(Env());
    if (error_ != 0) {
      deferred_.Reject(SystemError(Env(), error_, syscall_, path_).Value());
    } else {
      deferred_.Resolve(Result(Env()));
    }
  }

  Napi::Promise::Deferred deferred_;
  int error_ = 0;
  const char* syscall_ = "";
  std::string path_;
};

}  // namespace gantry
