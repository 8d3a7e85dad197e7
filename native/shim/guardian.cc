#include "guardian.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "channel.h"
#include "clock.h"
#include "exit-record.h"
#include "orphans.h"
#include "poll-set.h"
#include "system-calls.h"
#include "text-buffer.h"

namespace gantry {

void Guardian::Watch() {
  constexpr int kMost = Clients::kMost;
  // Each of the last six is one for every client.
  enum { kSignals, kChannel, kOutput, kErrors, kInput, kListener, kClients };
  constexpr int kSources = kClients + kMost;
  constexpr int kEntered = kSources + kMost;
  constexpr int kEnteredSources = kEntered + kMost;
  constexpr int kEnteredInputs = kEnteredSources + kMost;
  constexpr int kEnteredOutputs = kEnteredInputs + kMost;
  constexpr int kCount = kEnteredOutputs + kMost;
  for (;;) {
    bool released = releasesItself_ || releaseWanted_ || phase_ == Phase::kReleased || phase_ == Phase::kRunning;
    if ((!released || groupsAwaited_) && !clients_.Connected(Clients::kLauncher)) Abandon(nullptr);
    const Input& input = container_.input;
    const Fd& output = container_.output;
    PollSet<kCount> events;
    events.Add(kSignals, signals_.get(), POLLIN);
    events.Add(kChannel, container_.channel.get(), POLLIN);
    events.Add(kOutput, container_.terminal.valid() ? container_.terminal.get() : output.get(), POLLIN);
    events.Add(kErrors, container_.errors.get(), POLLIN);
    if (input.full()) events.Add(kInput, input.get(), POLLOUT);
    if (phase_ != Phase::kSettingUp) events.Add(kListener, clients_.listener(), POLLIN);
    for (int client = 0; client < kMost; client++) {
      const EnteredProcess& entered = entered_[client];
      events.Add(kClients + client, clients_.socket(client), POLLIN);
      events.Add(kSources + client, input.Awaited(sources_[client]), POLLIN);
      events.Add(kEntered + client, entered.channel.get(), POLLIN);
      events.Add(kEnteredSources + client, entered.input.Awaited(entered.source), POLLIN);
      if (entered.input.full()) events.Add(kEnteredInputs + client, entered.input.get(), POLLOUT);
      if (entered.outputFull) {
        events.Add(kEnteredOutputs + client, entered.output.get(), POLLOUT);
      } else {
        events.Add(kEnteredOutputs + client, entered.terminal.get(), POLLIN);
      }
    }
    // Not for a signal, all of which are blocked; if it fails for want of memory it is tried again.
    if (!events.Wait(-1)) continue;

    if (events[kChannel]) ReadChannel();
    CopyStreams(events[kOutput], events[kErrors]);
    if (events[kInput]) container_.input.Retry();
    for (int client = 0; client < kMost; client++) {
      if (events[kEntered + client]) ReadEnteredChannel(client);
      // Before its pipe: whether the end of that is the end of the input has been said by then.
      if (events[kClients + client]) OnClient(client);
      InputSource& source = sources_[client];
      if (events[kSources + client] || source.ended) TakeInput(container_.input, source);
      if (events[kEnteredInputs + client]) entered_[client].input.Retry();
      CopyEnteredStreams(client, events[kEnteredSources + client], events[kEnteredOutputs + client]);
    }
    if (events[kListener]) clients_.Accept(MakeFrame(Hello()));
    if (events[kSignals]) OnChildren();
    EndAbandoned();
  }
}

// True if there may be more.
bool Guardian::ReadChannel() {
  Packet packet;
  packet.Receive(container_.channel.get());
  // It ended without having read all that it was sent, which is told once, before what it sent itself.
  if (packet.size < 0 && errno == ECONNRESET) return true;
  if (packet.size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (packet.size <= 0) {
    OnChannelEnd();
    return false;
  }
  if (packet.kind == ChannelPacket::kReady) {
    container_.mounts = static_cast<Fd&&>(packet.descriptor);
    OnReady();
  }
  if (packet.kind == ChannelPacket::kExecuting) executing_ = true;
  if (packet.kind == ChannelPacket::kConsole) AdoptTerminal(static_cast<Fd&&>(packet.descriptor));
  if (packet.kind == ChannelPacket::kRuleset) container_.ruleset = static_cast<Fd&&>(packet.descriptor);
  if (packet.kind == ChannelPacket::kFailed) {
    // The host that released it may be gone, and would else be thought to have missed its end.
    if (phase_ == Phase::kReleased) RecordFailure(packet.Errno());
    Frame failed = packet.Failed();
    Abandon(&failed);
  }
  return true;
}

void Guardian::RecordFailure(int error) {
  (void)WriteExitRecord({Ending::kFailed, error, Milliseconds(Now()), container_.pid, container_.startTime}).ok();
}

void Guardian::AdoptTerminal(Fd master) {
  if (Result result = container_.terminal.Adopt(static_cast<Fd&&>(master)); !result.ok()) {
    Frame failed = FailedFrame(kNoStep, "terminal", result);
    Abandon(&failed);
  }
  container_.hasInput = true;
  container_.input.UseTerminal(&container_.terminal);
  container_.output.Close();
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
      if (entered_[client].pid == pid && !entered_[client].ended) EndEnteredProcess(client, status);
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

void Guardian::TakeInput(Input& input, InputSource& source) {
  if (!source.pipe.valid() && !source.ended) return;
  if (!source.ended && input.Take(source)) return;
  source.pipe.Close();
  source.ended = source.ends && input.open() && !input.End();
}

void Guardian::CopyStreams(bool output, bool errors) {
  if (output && container_.terminal.valid()) {
    if (!log_.Copy(container_.terminal.get(), LogStream::kOutput)) container_.terminal.Close();
  } else if (output && container_.output.valid()) {
    if (!log_.Copy(container_.output.get(), LogStream::kOutput)) container_.output.Close();
  }
  if (errors && !log_.Copy(container_.errors.get(), LogStream::kErrors)) container_.errors.Close();
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
  container_.mounts.Close();
  clients_.Remove();
  log_.Remove();
  if (failed != nullptr) clients_.SendAll(*failed);
  clients_.FinishAll();
  _exit(1);
}

void Guardian::Conclude(int status) {
  EndEntered();
  if (!container_.ownPids) KillOrphans();
  log_.Drain(container_.output.get(), LogStream::kOutput);
  log_.Drain(container_.errors.get(), LogStream::kErrors);
  if (container_.terminal.valid()) log_.DrainTerminal(container_.terminal.get());

  ExitedMessage exited = Exited(status);
  // If the disk does not take the record, the hosts that are connected are still told; others will find none.
  Ending ending = exited.type == 1 ? Ending::kSignaled : Ending::kExited;
  (void)WriteExitRecord({ending, exited.value, exited.at, container_.pid, container_.startTime}).ok();

  // Whoever connected until now is told; whoever comes later finds the record.
  clients_.Remove();
  while (clients_.Accept(MakeFrame(Hello()))) {
  }
  clients_.SendAll(MakeFrame(exited));
  container_.mounts.Close();
  clients_.FinishAll();
  _exit(0);
}

}  // namespace gantry
