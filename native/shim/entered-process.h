// Processes that hosts have started in the running container, beside its first process.
#pragma once

#include <sys/types.h>

#include "fd.h"
#include "frame.h"
#include "input.h"
#include "result.h"
#include "terminal.h"

namespace gantry {

struct Container;

// 0, 1 and 2 of a process to be.
struct Streams {
  static constexpr int kCount = 3;
  Fd fds[kCount];
};

// One of them as the guardian holds it. It is a child of the shim.
struct EnteredProcess {
  pid_t pid = 0;  // in the shim's pid namespace; 0: none
  Fd pidfd;
  Fd channel;  // see channel.h
  bool executing = false;
  bool running = false;
  // With a terminal: that, what the client sends to it, and where what it writes goes.
  Terminal terminal;
  Input input;
  InputSource source;
  Fd output;
  // Whether to wait for room there.
  bool outputFull = false;
  // It has ended with this status, but what it wrote is not all with the client.
  bool ended = false;
  int status = 0;

  // The terminal that it has made is what its input and output go through.
  Result UseTerminal(Fd master);
  // Moves what it wrote to the client, as far as that goes now.
  void CopyOutput();
};

// Starts a process that enters the container and performs the steps of the message. The channel tells how that went; what
// fails before is the result. `agent` is the connection for the listener of its filter, if that has one. `shared` is memory that clones share, for the id of the process.
Result StartEnteredProcess(const Container& container, const EnterMessage& enter, pid_t* shared, Streams streams,
                           Fd agent, EnteredProcess* out);

}  // namespace gantry
