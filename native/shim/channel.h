// The socket (SOCK_SEQPACKET) between the shim and a first process, or one that enters its container. Its end without
// kExecuting before it means that the process died in its set-up; after kExecuting, that the exec has closed it, so has
// succeeded.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "fd.h"
#include "frame.h"

namespace gantry {

enum class ChannelPacket : uint8_t {
  kReady = 1,      // to the shim: set up, waiting; comes with its mount namespace, if that is its own
  kExecuting = 2,  // to the shim: about to exec
  kFailed = 3,     // to the shim: followed by the bytes of the `failed` frame
  kRelease = 4,    // to the first process: go on
  kPlan = 5,       // to the first process: the launch frame lies whole in the memory that both share; with its input, if any
  kWaiting = 7,    // to the shim: can be given the ids of its user namespace, or is in the control groups that were made ahead
  kMount = 8,      // to the first process: comes with a mount that a step of it needs
  kGroups = 10,    // to the first process: its control groups are there
  kJoined = 12,    // to the first process: it is in its control groups already
  kConsole = 6,    // to the shim: comes with the master of the terminal that the process has made
  kAgent = 11,     // to the first process, before kPlan: comes with a connection to the agent that is to have its seccomp listener
  kRuleset = 9,    // to the shim: comes with the Landlock ruleset that the process has made
};

// What the shim receives.
struct Packet {
  ChannelPacket kind;
  uint8_t frame[sizeof Frame::bytes];
  ssize_t size = 0;
  Fd descriptor;

  // Receives without waiting; `size` is as recv(2) says.
  void Receive(int channel);
  // Of kFailed: the frame, and the errno in it.
  Frame Failed() const;
  int Errno() const;
};

}  // namespace gantry
