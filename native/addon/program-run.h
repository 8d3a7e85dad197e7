// A program of the host's that runs to its end on input that it is given. It leads a session of its own, and a thread of its own
// waits for it, so that no other of the host program's is held up.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "system.h"

namespace gantry {

class ProgramRun : public std::enable_shared_from_this<ProgramRun> {
 public:
  struct Call {
    std::string path;
    // Each `NAME=value`; there are no others.
    std::vector<std::string> environment;
    std::string input;
    // Bytes that it may write to each of its streams, before it is killed.
    size_t mostOutput;
  };

  struct End {
    // It was not started, or not waited for, since this call failed.
    int error = 0;
    const char* syscall = "";
    // Of standard output and error.
    std::string written[2];
    bool isOverLimit = false;
    // As of waitid(2): CLD_EXITED with a status, another code with a signal, 0 if it had still not ended some time after it was killed.
    int code = 0;
    int status = 0;
  };

  explicit ProgramRun(Call call) : call_(std::move(call)) {}
  ProgramRun(const ProgramRun&) = delete;
  ProgramRun& operator=(const ProgramRun&) = delete;

  // Starts the thread, which calls `done` once. If there can be none, it is called at once.
  void Start(std::function<void(End)> done);

  // Kills the program and its process group. Does nothing once it has ended.
  void Kill();

 private:
  bool Fail(const char* syscall, int error);
  // Returns an errno.
  int StartThread();
  void Work();
  bool Spawn();
  void Collect();
  void WriteInput();
  void ReadOutput(int stream);
  void KillGroup();
  void Reap();

  const Call call_;
  std::function<void(End)> done_;
  std::mutex mutex_;
  // Guarded by the mutex: tells the thread to kill.
  Fd wake_;

  // The thread's own.
  End end_;
  pid_t pid_ = -1;
  Fd process_;
  Fd input_;
  size_t given_ = 0;
  Fd outputs_[2];
  bool hasEnded_ = false;
  // Milliseconds of the monotonic clock when it is no longer waited for; 0 until it is killed.
  int64_t deadline_ = 0;
};

}  // namespace gantry
