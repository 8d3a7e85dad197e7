// The part of the guardian's work that is about processes which clients start beside the first one.
#include <signal.h>
#include <sys/wait.h>

#include "agent.h"
#include "channel.h"
#include "clock.h"
#include "guardian.h"
#include "system-calls.h"

namespace gantry {

void Guardian::Enter(int client) {
  if (entered_[client].pid > 0) return clients_.Drop(client);
  const FrameMemory& frame = clients_.EnterFrame(client);
  FieldReader fields = frame.Fields();
  uint8_t code;
  EnterMessage enter;
  Streams streams = clients_.TakeStreams(client);
  Result result = phase_ == Phase::kRunning ? kOk : Failure(EBUSY, "the container does not run yet");
  if (result.ok() && (!fields.Read(&code) || !Read(fields, &enter))) result = Failure(EBADMSG, "enter: fields");
  for (const Fd& stream : streams.fds) {
    if (result.ok() && !stream.valid()) result = Failure(EBADF, "enter: descriptors");
  }
  Fd agent;
  const char* name = "enter";
  if (result.ok()) {
    result = ConnectAgent(enter.agent, &agent);
    if (!result.ok()) name = "agent";
  }
  if (result.ok()) {
    result = StartEnteredProcess(container_, enter, frame.process(), static_cast<Streams&&>(streams),
                                 static_cast<Fd&&>(agent), &entered_[client]);
  }
  // Before the path in it is gone.
  Frame failed = FailedFrame(kNoStep, name, result);
  clients_.ForgetEnter(client);
  if (result.ok()) return clients_.Hold(client, true);
  clients_.Send(client, failed);
  clients_.Finish(client);
}

bool Guardian::ReadEnteredChannel(int client) {
  EnteredProcess& entered = entered_[client];
  Packet packet;
  packet.Receive(entered.channel.get());
  if (packet.size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  Frame failed;
  bool isFailed = packet.size > 0 && packet.kind == ChannelPacket::kFailed;
  if (isFailed) failed = packet.Failed();
  if (packet.size > 0 && packet.kind == ChannelPacket::kExecuting) entered.executing = true;
  if (packet.size > 0 && packet.kind == ChannelPacket::kConsole) {
    Result result = entered.UseTerminal(static_cast<Fd&&>(packet.descriptor));
    isFailed = !result.ok();
    if (isFailed) failed = FailedFrame(kNoStep, "terminal", result);
  }
  if (isFailed) {
    clients_.Send(client, failed);
    clients_.Finish(client);
    entered.executing = false;
  }
  if (packet.size > 0) return true;
  entered.channel.Close();
  entered.running = entered.executing;
  if (entered.pid == 0) {
    // There is no process whose end would be seen; if nothing else was told, it was killed as it entered.
    if (clients_.Connected(client)) {
      clients_.Send(client, FailedFrame(kNoStep, "enter", Failure(ESRCH, "the process was killed")));
    }
    clients_.Finish(client);
    clients_.Hold(client, false);
  }
  if (!entered.running) return false;
  StartedMessage started;
  started.at = Milliseconds(Now());
  clients_.Send(client, MakeFrame(started));
  return false;
}

void Guardian::EndEnteredProcess(int client, int status) {
  EnteredProcess& entered = entered_[client];
  while (entered.channel.valid() && ReadEnteredChannel(client)) {
  }
  // Reaped, so that its id and descriptor are for nothing any more.
  entered.pidfd.Close();
  entered.ended = true;
  entered.status = status;
  if (entered.terminal.valid()) entered.CopyOutput();
  if (!entered.terminal.valid() || !clients_.Connected(client)) ConcludeEntered(client);
}

void Guardian::ConcludeEntered(int client) {
  EnteredProcess& entered = entered_[client];
  if (entered.running) {
    clients_.Send(client, MakeFrame(Exited(entered.status)));
  } else if (clients_.Connected(client)) {
    clients_.Send(client, FailedFrame(kNoStep, "enter", Failure(ESRCH, "the process was killed")));
  }
  clients_.Finish(client);
  clients_.Hold(client, false);
  entered = {};
}

void Guardian::EndAbandoned() {
  for (int client = 0; client < Clients::kMost; client++) {
    EnteredProcess& entered = entered_[client];
    if (clients_.Connected(client)) continue;
    InputSource& source = sources_[client];
    // Of one who has ended the input, what was sent before that is still due.
    bool due = source.ends && container_.input.open() && (source.pipe.valid() || source.ended);
    if (!due) source = {};
    if (entered.pid == 0) clients_.Hold(client, due);
    if (entered.ended) ConcludeEntered(client);
    if (entered.pid > 0) PidfdSendSignal(entered.pidfd.get(), SIGKILL);
  }
}

void Guardian::EndEntered() {
  for (int client = 0; client < Clients::kMost; client++) {
    EnteredProcess& entered = entered_[client];
    if (entered.pid == 0) continue;
    if (!entered.ended) {
      PidfdSendSignal(entered.pidfd.get(), SIGKILL);
      int status = 0;
      waitpid(entered.pid, &status, 0);
      EndEnteredProcess(client, status);
    }
    // A client who does not read is not waited for.
    if (entered.ended) ConcludeEntered(client);
  }
}

void Guardian::CopyEnteredStreams(int client, bool input, bool output) {
  EnteredProcess& entered = entered_[client];
  if (input || entered.source.ended) TakeInput(entered.input, entered.source);
  if (!output) return;
  entered.CopyOutput();
  if (entered.ended && !entered.terminal.valid()) ConcludeEntered(client);
}

}  // namespace gantry
