// The addon's TreeCopy: a copy of stacked layers that JavaScript drives step by step, each in the thread pool.
#include <atomic>
#include <memory>

#include "task.h"
#include "tree-copier.h"

namespace gantry {

namespace {

using filesystem::CopyProgress;
using filesystem::TreeCopier;

// The copier lives until its last step is done, and takes one at a time.
struct Shared {
  Shared(std::vector<std::string> layers, std::string target, std::string opaque)
      : copier(std::move(layers), std::move(target), std::move(opaque)) {}
  TreeCopier copier;
  std::atomic<bool> isBusy = false;
};

class StepTask final : public Task {
 public:
  StepTask(Napi::Env env, std::shared_ptr<Shared> shared) : Task(env), shared_(std::move(shared)) {}
  ~StepTask() override { shared_->isBusy = false; }

 private:
  void Run() final {
    const filesystem::Result result = shared_->copier.Step();
    if (!result.ok()) Fail(result.error, result.syscall, shared_->copier.At());
  }

  Napi::Value Result(Napi::Env env) final {
    const CopyProgress& progress = shared_->copier.progress();
    Napi::Object object = Napi::Object::New(env);
    object.Set("done", Napi::Boolean::New(env, progress.done));
    object.Set("entries", Napi::Number::New(env, static_cast<double>(progress.entries)));
    object.Set("bytes", Napi::Number::New(env, static_cast<double>(progress.bytes)));
    object.Set("cloned", Napi::Number::New(env, static_cast<double>(progress.cloned)));
    return object;
  }

  std::shared_ptr<Shared> shared_;
};

class TreeCopy : public Napi::ObjectWrap<TreeCopy> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "TreeCopy", {InstanceMethod<&TreeCopy::Step>("step")});
  }

  explicit TreeCopy(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TreeCopy>(info) {
    if (!info[0].IsArray() || !info[1].IsString() || !info[2].IsString()) {
      Misused(info);
      return;
    }
    const auto list = info[0].As<Napi::Array>();
    std::vector<std::string> layers;
    for (uint32_t i = 0; i < list.Length(); i++) {
      const Napi::Value path = list[i];
      if (!path.IsString()) {
        Misused(info);
        return;
      }
      layers.push_back(path.As<Napi::String>().Utf8Value());
    }
    shared_ = std::make_shared<Shared>(std::move(layers), info[1].As<Napi::String>().Utf8Value(),
                                       info[2].As<Napi::String>().Utf8Value());
  }

 private:
  static void Misused(const Napi::CallbackInfo& info) {
    Napi::TypeError::New(info.Env(), "arguments of the wrong type for TreeCopy").ThrowAsJavaScriptException();
  }

  Napi::Value Step(const Napi::CallbackInfo& info) {
    if (shared_->isBusy.exchange(true)) {
      Napi::TypeError::New(info.Env(), "a step of this TreeCopy is under way").ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    return (new StepTask(info.Env(), shared_))->Start();
  }

  std::shared_ptr<Shared> shared_;
};

}  // namespace

void InitTreeCopy(Napi::Env env, Napi::Object exports) { exports.Set("TreeCopy", TreeCopy::Define(env)); }

}  // namespace gantry
