// The input of a process, and those who write to it. What they send is moved from their pipes by splice(2), and only
// when there is room for it: nothing waits in the shim, and a process that does not read holds up those alone who write.
#pragma once

#include "fd.h"
#include "terminal.h"

namespace gantry {

enum class Moved { kSome, kNothing, kNoRoom, kEnd, kBroken };

// Moves what there is, at most some pages, without waiting. One of both is a pipe.
Moved Move(int from, int to);

// The reading end of a client's pipe.
struct InputSource {
  Fd pipe;
  // Whether the end of the pipe is the end of the input, too.
  bool ends = false;
  // Its end has been reached, but not typed yet.
  bool ended = false;

  bool Empty() const;
};

class Input {
 public:
  // Of a process with a pipe: its writing end, which does not block.
  void UsePipe(Fd pipe) { pipe_ = static_cast<Fd&&>(pipe); }
  // Of a process with a terminal, which outlives this.
  void UseTerminal(Terminal* terminal) { terminal_ = terminal; }

  bool open() const { return get() >= 0; }
  // Whether to wait for room.
  bool full() const { return full_; }
  int get() const { return terminal_ != nullptr ? terminal_->get() : pipe_.get(); }
  // To be called when there may be room again.
  void Retry() { full_ = false; }

  // The pipe to wait for, or -1 while nothing can be moved.
  int Awaited(const InputSource& source) const { return open() && !full_ ? source.pipe.get() : -1; }

  // Moves from the source. False if that has come to its end, with which the caller deals, or the input has.
  bool Take(InputSource& source);
  // Ends the input, unless that has to wait for room.
  bool End();

 private:
  Fd pipe_;
  Terminal* terminal_ = nullptr;
  bool full_ = false;
};

}  // namespace gantry
