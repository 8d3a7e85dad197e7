#include "guardian.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "channel.h"
#include "clock.h"
#include "exit-record.h"
#include "orphans.h"
#include "system-calls.h"
#include "text-buffer.h"

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
  return StartContainer(clone, launch, &container_);
}

Result Guardian::Launch(FieldReader fields) {
  uint8_t code;
  LaunchMessage launch;
  if (!fields.Read(&code) || HostMessage{code} != HostMessage::kLaunch || !Read(fields, &launch)) {
    return Failure(EBADMSG, "fields of the launch message");
  }
  size_t room = strlen(title_);
  memset(title_, 0, room);
  memcpy(title_, launch.id.data, launch.id.size < room ? launch.id.size : room);
  if (chdir(launch.stateDir.data) != 0) return CallFailure("chdir", launch.stateDir.data);
  releasesItself_ = launch.release != 0;
  // First, so that the rest is done while the first process performs its steps. If it has died, its SIGCHLD tells.
  constexpr ChannelPacket kPacket = ChannelPacket::kPlan;
  send(container_.channel.get(), &kPacket, sizeof kPacket, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (Result result = clients_.Listen(); !result.ok()) return result;
  if (Result result = log_.Open(launch.logMaxBytes, launch.logMaxFiles); !result.ok()) return result;
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  signals_ = Fd(signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return CallFailure("signalfd");
  LowerOomScore();
  return kOk;
}

void Guardian::Watch() {
  enum { kSignals, kChannel, kOutput, kErrors, kListener, kClients };
  constexpr int kEntered = kClients + Clients::kMost;
  constexpr int kCount = kEntered + Clients::kMost;
  for (;;) {
    bool released = releasesItself_ || releaseWanted_ || phase_ == Phase::kReleased || phase_ == Phase::kRunning;
    if (!released && !clients_.Connected(Clients::kLauncher)) Abandon(nullptr);
    pollfd events[kCount] = {};
    events[kSignals] = {signals_.get(), POLLIN, 0};
    events[kChannel] = {container_.channel.get(), POLLIN, 0};
    events[kOutput] = {container_.output.get(), POLLIN, 0};
    events[kErrors] = {container_.errors.get(), POLLIN, 0};
    clients_.Poll(&events[kListener], phase_ != Phase::kSettingUp);
    for (int client = 0; client < Clients::kMost; client++) {
      events[kEntered + client] = {entered_[client].channel.get(), POLLIN, 0};
    }
    // EINTR cannot be, with every signal blocked; if it fails for want of memory it is tried again.
    if (poll(events, kCount, -1) < 0) continue;

    if (events[kChannel].revents != 0) ReadChannel();
    CopyStreams(events[kOutput].revents != 0, events[kErrors].revents != 0);
    for (int client = 0; client < Clients::kMost; client++) {
      if (events[kEntered + client].revents != 0) ReadEnteredChannel(client);
      if (events[kClients + client].revents != 0) OnClient(client);
    }
    if (events[kListener].revents != 0) clients_.Accept(MakeFrame(Hello()));
    if (events[kSignals].revents != 0) OnChildren();
    EndAbandoned();
  }
}

// True if there may be more.
bool Guardian::ReadChannel() {
  struct {
    ChannelPacket kind;
    uint8_t frame[sizeof Frame::bytes];
  } packet;
  ssize_t size = recv(container_.channel.get(), &packet, sizeof packet, MSG_DONTWAIT);
  // It ended without having read all that it was sent, which is told once, before what it sent itself.
  if (size < 0 && errno == ECONNRESET) return true;
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (size <= 0) {
    OnChannelEnd();
    return false;
  }
  if (packet.kind == ChannelPacket::kReady) OnReady();
  if (packet.kind == ChannelPacket::kExecuting) executing_ = true;
  if (packet.kind == ChannelPacket::kFailed) {
    Frame failed;
    failed.size = static_cast<uint32_t>(size - 1);
    memcpy(failed.bytes, packet.frame, failed.size);
    Abandon(&failed);
  }
  return true;
}

void Guardian::OnReady() {
  phase_ = releasesItself_ ? Phase::kReleased : Phase::kReady;
  clients_.Send(Clients::kLauncher, MakeFrame(Hello()));
  if (releaseWanted_) Release(Clients::kLauncher);
}

void Guardian::OnChannelEnd() {
  container_.channel.Close();
  // Else the first process has died, which its SIGCHLD tells.
  if (!executing_) return;
  phase_ = Phase::kRunning;
  StartedMessage started;
  started.at = Milliseconds(Now());
  clients_.SendAll(MakeFrame(started));
}

void Guardian::OnChildren() {
  signalfd_siginfo ignored;
  while (read(signals_.get(), &ignored, sizeof ignored) > 0) {
  }
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    for (int client = 0; client < Clients::kMost; client++) {
      if (entered_[client].pid == pid) ConcludeEntered(client, status);
    }
    if (pid != container_.pid) continue;
    reaped_ = true;
    while (container_.channel.valid() && ReadChannel()) {
    }
    if (phase_ == Phase::kRunning) Conclude(status);
    TextBuffer<64> detail;
    detail.Add(WIFSIGNALED(status) ? "killed by signal " : "exited with ");
    detail.AddSigned(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    Frame failed = FailedFrame(kNoStep, "first process", Failure(ESRCH, detail.c_str()));
    Abandon(&failed);
  }
}

void Guardian::OnClient(int client) {
  clients_.Receive(client);
  Request request;
  while (clients_.Next(client, &request)) Answer(client, request);
}

void Guardian::EndAbandoned() {
  for (int client = 0; client < Clients::kMost; client++) {
    EnteredProcess& entered = entered_[client];
    if (entered.pid > 0 && !clients_.Connected(client)) PidfdSendSignal(entered.pidfd.get(), SIGKILL);
  }
}

void Guardian::Answer(int client, const Request& request) {
  if (request.code == HostMessage::kRelease) return Release(client);
  if (request.code == HostMessage::kEnter) return Enter(client);
  const Fd& target = entered_[client].pid > 0 ? entered_[client].pidfd : container_.pidfd;
  DoneMessage done;
  done.request = request.request;
  if (request.code == HostMessage::kSignal && PidfdSendSignal(target.get(), request.signal) != 0) done.errno_ = errno;
  if (request.code == HostMessage::kStatus) clients_.Send(client, MakeFrame(Hello()));
  clients_.Send(client, MakeFrame(done));
}

// Only the host that launches may release.
void Guardian::Release(int client) {
  if (client != Clients::kLauncher) return clients_.Drop(client);
  if (phase_ == Phase::kSettingUp) releaseWanted_ = true;
  if (phase_ != Phase::kReady) return;
  constexpr ChannelPacket kPacket = ChannelPacket::kRelease;
  // If the first process has died meanwhile, its SIGCHLD tells.
  send(container_.channel.get(), &kPacket, sizeof kPacket, MSG_NOSIGNAL | MSG_DONTWAIT);
  phase_ = Phase::kReleased;
}

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
  if (result.ok()) {
    result = StartEnteredProcess(container_, enter, frame.process(), static_cast<Streams&&>(streams), &entered_[client]);
  }
  clients_.ForgetEnter(client);
  if (result.ok()) return clients_.Hold(client, true);
  clients_.Send(client, FailedFrame(kNoStep, "enter", result));
  clients_.Finish(client);
}

bool Guardian::ReadEnteredChannel(int client) {
  EnteredProcess& entered = entered_[client];
  struct {
    ChannelPacket kind;
    uint8_t frame[sizeof Frame::bytes];
  } packet;
  ssize_t size = recv(entered.channel.get(), &packet, sizeof packet, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (size > 0 && packet.kind == ChannelPacket::kExecuting) entered.executing = true;
  if (size > 0 && packet.kind == ChannelPacket::kFailed) {
    Frame failed;
    failed.size = static_cast<uint32_t>(size - 1);
    memcpy(failed.bytes, packet.frame, failed.size);
    clients_.Send(client, failed);
    clients_.Finish(client);
    entered.executing = false;
  }
  if (size > 0) return true;
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

void Guardian::ConcludeEntered(int client, int status) {
  EnteredProcess& entered = entered_[client];
  while (entered.channel.valid() && ReadEnteredChannel(client)) {
  }
  if (entered.running) {
    clients_.Send(client, MakeFrame(Exited(status)));
  } else if (clients_.Connected(client)) {
    clients_.Send(client, FailedFrame(kNoStep, "enter", Failure(ESRCH, "the process was killed")));
  }
  clients_.Finish(client);
  clients_.Hold(client, false);
  entered = {};
}

void Guardian::EndEntered() {
  for (int client = 0; client < Clients::kMost; client++) {
    if (entered_[client].pid == 0) continue;
    PidfdSendSignal(entered_[client].pidfd.get(), SIGKILL);
    int status = 0;
    waitpid(entered_[client].pid, &status, 0);
    ConcludeEntered(client, status);
  }
}

void Guardian::CopyStreams(bool output, bool errors) {
  if (output && !log_.Copy(container_.output.get(), "stdout")) container_.output.Close();
  if (errors && !log_.Copy(container_.errors.get(), "stderr")) container_.errors.Close();
}

ExitedMessage Guardian::Exited(int status) {
  ExitedMessage exited;
  exited.type = WIFSIGNALED(status) ? 1 : 0;
  exited.value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  exited.at = Milliseconds(Now());
  return exited;
}

HelloMessage Guardian::Hello() const {
  HelloMessage hello;
  hello.version = kProtocolVersion;
  hello.shimPid = getpid();
  hello.pid = container_.pid;
  hello.startTime = container_.startTime;
  hello.released = phase_ == Phase::kReleased || phase_ == Phase::kRunning ? 1 : 0;
  return hello;
}

void Guardian::Abandon(const Frame* failed) {
  if (container_.pid > 0 && !reaped_) {
    PidfdSendSignal(container_.pidfd.get(), SIGKILL);
    waitpid(container_.pid, nullptr, 0);
  }
  clients_.Remove();
  log_.Remove();
  if (failed != nullptr) clients_.SendAll(*failed);
  clients_.FinishAll();
  _exit(1);
}

void Guardian::Conclude(int status) {
  EndEntered();
  if (!container_.ownPids) KillOrphans();
  log_.Drain(container_.output.get(), "stdout");
  log_.Drain(container_.errors.get(), "stderr");

  ExitedMessage exited = Exited(status);
  // If the disk does not take the record, the hosts that are connected are still told; others will find none.
  (void)WriteExitRecord({exited.type == 1, exited.value, exited.at, container_.pid, container_.startTime}).ok();

  // Whoever connected until now is told; whoever comes later finds the record.
  clients_.Remove();
  while (clients_.Accept(MakeFrame(Hello()))) {
  }
  clients_.SendAll(MakeFrame(exited));
  clients_.FinishAll();
  _exit(0);
}

}  // namespace gantry
