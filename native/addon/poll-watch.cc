// Descriptors of the kernel that tell by poll(2) that something has happened, watched by the event loop: no thread, and no
// memory beside the watch.
#include <errno.h>
#include <node_api.h>
#include <sys/eventfd.h>
#include <uv.h>

#include "system.h"

namespace gantry {
namespace {

// Known to the event loop longer than to JavaScript: a handle is gone only once the loop says so.
struct Poll {
  uv_poll_t handle;
  class PollWatch* watch;
  napi_async_cleanup_hook_handle hook;
};

class PollWatch : public Napi::ObjectWrap<PollWatch> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "PollWatch", {InstanceMethod("close", &PollWatch::Close)});
  }

  explicit PollWatch(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<PollWatch>(info), context_(info.Env(), "gantry:poll-watch") {
    const int fd = info[0].As<Napi::Number>().Int32Value();
    const int events = info[1].As<Napi::String>().Utf8Value() == "priority" ? UV_PRIORITIZED : UV_READABLE;
    callback_ = Napi::Persistent(info[2].As<Napi::Function>());
    uv_loop_s* loop = nullptr;
    napi_get_uv_event_loop(info.Env(), &loop);
    auto* poll = new Poll{};
    if (const int error = uv_poll_init(loop, &poll->handle, fd); error != 0) {
      delete poll;
      SystemError(info.Env(), -error, "epoll_ctl").ThrowAsJavaScriptException();
      return;
    }
    poll->handle.data = poll;
    poll->watch = this;
    poll_ = poll;
    // Not collected while the loop may call it.
    Ref();
    napi_add_async_cleanup_hook(info.Env(), OnTeardown, poll, &poll->hook);
    if (const int error = uv_poll_start(&poll->handle, events, OnEvent); error != 0) {
      Stop();
      SystemError(info.Env(), -error, "epoll_ctl").ThrowAsJavaScriptException();
    }
  }

 private:
  void Close(const Napi::CallbackInfo&) { Stop(); }

  void Stop() {
    if (poll_ == nullptr) return;
    poll_->watch = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_->handle), OnClosed);
    poll_ = nullptr;
    Unref();
  }

  static void OnTeardown(napi_async_cleanup_hook_handle, void* data) {
    auto* poll = static_cast<Poll*>(data);
    if (poll->watch != nullptr) poll->watch->Stop();
  }

  static void OnClosed(uv_handle_t* handle) {
    auto* poll = static_cast<Poll*>(handle->data);
    napi_remove_async_cleanup_hook(poll->hook);
    delete poll;
  }

  static void OnEvent(uv_poll_t* handle, int, int) {
    PollWatch* watch = static_cast<Poll*>(handle->data)->watch;
    if (watch == nullptr) return;
    const Napi::Env env = watch->Env();
    const Napi::HandleScope scope(env);
    watch->callback_.MakeCallback(env.Global(), {}, watch->context_);
    if (env.IsExceptionPending()) napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }

  Napi::FunctionReference callback_;
  Napi::AsyncContext context_;
  Poll* poll_ = nullptr;
};

Napi::Value EventFd(const Napi::CallbackInfo& info) {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) SystemError(info.Env(), errno, "eventfd").ThrowAsJavaScriptException();
  return Napi::Number::New(info.Env(), fd);
}

}  // namespace

void InitPollWatch(Napi::Env env, Napi::Object exports) {
  exports.Set("PollWatch", PollWatch::Define(env));
  exports.Set("eventFd", Napi::Function::New(env, EventFd));
}

}  // namespace gantry
