// Runs programs of the host's to their end, for JavaScript.
#include <signal.h>
#include <string.h>

#include <memory>

#include "program-run.h"

namespace gantry {

namespace {

using Deferred = Napi::Promise::Deferred;

struct Outcome {
  std::string path;
  ProgramRun::End end;
};

Napi::Object Told(Napi::Env env, const ProgramRun::End& end) {
  Napi::Object told = Napi::Object::New(env);
  told.Set("stdout", Napi::String::New(env, end.written[0]));
  told.Set("stderr", Napi::String::New(env, end.written[1]));
  told.Set("isOverLimit", Napi::Boolean::New(env, end.isOverLimit));
  if (end.code == CLD_EXITED) {
    told.Set("code", Napi::Number::New(env, end.status));
  } else if (end.code != 0) {
    const char* name = sigabbrev_np(end.status);
    told.Set("signal", Napi::String::New(env, name ? "SIG" + std::string(name) : "unknown"));
  }
  return told;
}

// Without an environment the JavaScript that waits for it is gone.
void Settle(Napi::Env env, Napi::Function, Deferred* deferred, Outcome* given) {
  const std::unique_ptr<Outcome> outcome(given);
  if (static_cast<napi_env>(env) == nullptr) return;
  const auto& [path, end] = *outcome;
  if (end.error == 0) return deferred->Resolve(Told(env, end));
  deferred->Reject(SystemError(env, end.error, end.syscall, path).Value());
}

// The way from a program's thread to the JavaScript that waits for it, which may go first, with its worker thread.
class Waiting {
 public:
  using Function = Napi::TypedThreadSafeFunction<Deferred, Outcome, Settle>;

  static std::shared_ptr<Waiting> Of(Napi::Env env) {
    auto waiting = std::make_shared<Waiting>(env);
    auto* held = new std::shared_ptr<Waiting>(waiting);
    waiting->function_ = Function::New(
        env, "runProgram", 0, 1, &waiting->deferred_,
        [](Napi::Env, std::shared_ptr<Waiting>* held, Deferred*) {
          (*held)->Close();
          delete held;
        },
        held);
    return waiting;
  }

  explicit Waiting(Napi::Env env) : deferred_(env) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  // Once, in any thread.
  void Tell(std::unique_ptr<Outcome> outcome) {
    const std::lock_guard lock(mutex_);
    if (isClosed_) return;
    if (function_.NonBlockingCall(outcome.get()) == napi_ok) (void)outcome.release();
    function_.Release();
  }

 private:
  void Close() {
    const std::lock_guard lock(mutex_);
    isClosed_ = true;
  }

  Deferred deferred_;
  std::mutex mutex_;
  Function function_;
  bool isClosed_ = false;
};

std::vector<std::string> Strings(const Napi::Array& list) {
  std::vector<std::string> strings;
  for (uint32_t i = 0; i < list.Length(); i++) strings.push_back(Napi::Value(list[i]).ToString().Utf8Value());
  return strings;
}

Napi::Value RunProgram(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = info[0].ToString().Utf8Value();
  const auto run = std::make_shared<ProgramRun>(ProgramRun::Call{
      .path = path,
      .environment = Strings(info[1].As<Napi::Array>()),
      .input = info[2].ToString().Utf8Value(),
      .mostOutput = static_cast<size_t>(info[3].ToNumber().Int64Value()),
  });
  const auto waiting = Waiting::Of(env);
  run->Start([waiting, path](ProgramRun::End end) {
    waiting->Tell(std::make_unique<Outcome>(Outcome{path, std::move(end)}));
  });
  Napi::Object running = Napi::Object::New(env);
  running.Set("ended", waiting->promise());
  running.Set("kill", Napi::Function::New(env, [run](const Napi::CallbackInfo&) { run->Kill(); }));
  return running;
}

}  // namespace

void InitProgram(Napi::Env env, Napi::Object exports) {
  exports.Set("runProgram", Napi::Function::New(env, RunProgram));
}

}  // namespace gantry
