// The part of the guardian's work that comes before the watching: it takes the messages of the host that launches, and sees to the first process.
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "agent.h"
#include "channel.h"
#include "guardian.h"
#include "outside.h"
#include "rights.h"
#include "user-namespace.h"

namespace gantry {

void Guardian::Run(int host) {
  {
    FrameMemory clone;
    FrameMemory launch;
    Result result = clone.Map();
    if (result.ok()) result = launch.Map();
    if (result.ok()) result = clone.Receive(host);
    if (result.ok()) result = Clone(clone.Fields(), launch);
    if (result.ok()) result = launch.Receive(host);
    if (result.ok()) result = Launch(launch.Fields());
    if (!result.ok()) {
      Frame failed = FailedFrame(kNoStep, "shim", result);
      Abandon(&failed);
    }
  }
  Watch();
}

Result Guardian::Clone(FieldReader fields, const FrameMemory& launch) {
  FieldReader start = fields;
  uint8_t code;
  uint32_t version;
  if (!start.Read(&code) || HostMessage{code} != HostMessage::kClone || !start.Read(&version)) {
    return Failure(EBADMSG, "not a clone message");
  }
  if (version != kProtocolVersion) return Failure(EPROTONOSUPPORT, "protocol version");
  CloneMessage clone;
  if (!fields.Read(&code) || !Read(fields, &clone)) return Failure(EBADMSG, "fields of the clone message");
  Result result = StartContainer(clone, launch, &container_);
  if (!result.ok()) {
    // What it had to enter first may have said why.
    Packet packet;
    packet.Receive(container_.channel.get());
    if (packet.size <= 0 || packet.kind != ChannelPacket::kFailed) return result;
    Frame failed = packet.Failed();
    Abandon(&failed);
  }
  if (!container_.ownUsers && clone.groups.count == 0) return kOk;
  ClonedMessage cloned;
  cloned.pid = container_.pid;
  clients_.Send(Clients::kLauncher, MakeFrame(cloned));
  return kOk;
}

Result Guardian::Launch(FieldReader fields) {
  uint8_t code;
  LaunchMessage launch;
  if (!fields.Read(&code) || HostMessage{code} != HostMessage::kLaunch || !Read(fields, &launch)) {
    return Failure(EBADMSG, "fields of the launch message");
  }
  RefuseIfEnded();
  size_t room = strlen(title_);
  memset(title_, 0, room);
  memcpy(title_, launch.id.data, launch.id.size < room ? launch.id.size : room);
  if (chdir(launch.stateDir.data) != 0) return CallFailure("chdir", launch.stateDir.data);
  releasesItself_ = launch.release != 0;
  groupsAwaited_ = launch.groups != 0;
  Fd reader;
  if (launch.input != 0) {
    if (Result result = MakeInput(container_, &reader); !result.ok()) return result;
  }
  if (Result result = WriteIds(container_, launch); !result.ok()) return result;
  if (launch.outside != 0) {
    if (Result result = ActOutside(container_, launch, reader); !result.ok()) return result;
  }
  if (Result result = PassAgent(launch.agent); !result.ok()) {
    Frame failed = FailedFrame(kNoStep, "agent", result);
    Abandon(&failed);
  }
  // First, so that the rest is done while the first process performs its steps. If it has died, its SIGCHLD tells.
  constexpr ChannelPacket kPacket = ChannelPacket::kPlan;
  constexpr int kFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
  if (launch.input == 0) {
    send(container_.channel.get(), &kPacket, sizeof kPacket, kFlags);
  } else {
    SendWithRight(container_.channel.get(), &kPacket, sizeof kPacket, kFlags, reader.get());
  }
  if (launch.outside != 0) {
    uint32_t step = kNoStep;
    const char* name = "shim";
    if (Result result = SendMounts(container_, launch, &step, &name); !result.ok()) {
      Frame failed = FailedFrame(step, name, result);
      Abandon(&failed);
    }
  }
  if (Result result = clients_.Listen(); !result.ok()) return result;
  if (Result result = log_.Open(LogFormat{launch.logFormat}, launch.logMaxBytes, launch.logMaxFiles); !result.ok()) return result;
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  signals_ = Fd(signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return CallFailure("signalfd");
  LowerOomScore();
  return kOk;
}

// A spare may have been ended by somebody. Nothing of the plan has been done then, as the host can tell by what it is told.
void Guardian::RefuseIfEnded() {
  if (waitpid(container_.pid, nullptr, WNOHANG) != container_.pid) return;
  reaped_ = true;
  // It may have said why.
  while (container_.channel.valid() && ReadChannel()) {
  }
  Frame failed = FailedFrame(kNoStep, "first process", Failure(ESRCH, "ended before its plan"));
  Abandon(&failed);
}

// Connected by the shim, which can reach on the host what the first process may not.
Result Guardian::PassAgent(const Text& path) {
  Fd agent;
  if (Result result = ConnectAgent(path, &agent); !result.ok() || !agent.valid()) return result;
  constexpr ChannelPacket kPacket = ChannelPacket::kAgent;
  // If the first process has died meanwhile, its SIGCHLD tells.
  SendWithRight(container_.channel.get(), &kPacket, sizeof kPacket, MSG_NOSIGNAL | MSG_DONTWAIT, agent.get());
  return kOk;
}

}  // namespace gantry
