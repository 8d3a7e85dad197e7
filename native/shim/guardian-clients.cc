// The part of the guardian's work that is about what clients ask for.
#include <errno.h>
#include <sys/socket.h>

#include "channel.h"
#include "guardian.h"
#include "system-calls.h"

namespace gantry {

void Guardian::OnClient(int client) {
  clients_.Receive(client);
  Request request;
  while (clients_.Next(client, &request)) Answer(client, request);
}

void Guardian::Answer(int client, const Request& request) {
  if (request.code == HostMessage::kRelease) return Release(client);
  if (request.code == HostMessage::kGrouped) return PassOnGroups(client, request.joined);
  if (request.code == HostMessage::kEnter) return Enter(client);
  if (request.code == HostMessage::kEndInput) {
    sources_[client].ends = true;
    return;
  }
  const Fd& target = entered_[client].pid > 0 ? entered_[client].pidfd : container_.pidfd;
  DoneMessage done;
  done.request = request.request;
  if (request.code == HostMessage::kSignal && PidfdSendSignal(target.get(), request.signal) != 0) {
    // One that was reaped has no descriptor any more.
    done.errno_ = target.valid() ? errno : ESRCH;
  }
  if (request.code == HostMessage::kAttach) done.errno_ = Attach(client);
  if (request.code == HostMessage::kResize) done.errno_ = TerminalOf(client).Resize(request.columns, request.rows);
  if (request.code == HostMessage::kStatus) clients_.Send(client, MakeFrame(Hello()));
  clients_.Send(client, MakeFrame(done));
}

int Guardian::Attach(int client) {
  Streams streams = clients_.TakeStreams(client);
  if (!container_.hasInput) return ENOTTY;
  if (!streams.fds[0].valid()) return EBADF;
  // If the input has ended, nobody reads from the pipe, which tells its writer.
  if (container_.input.open()) sources_[client].pipe = static_cast<Fd&&>(streams.fds[0]);
  return 0;
}

Terminal& Guardian::TerminalOf(int client) {
  return entered_[client].pid > 0 ? entered_[client].terminal : container_.terminal;
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

void Guardian::PassOnGroups(int client, bool joined) {
  if (client != Clients::kLauncher || !groupsAwaited_) return clients_.Drop(client);
  groupsAwaited_ = false;
  const ChannelPacket packet = joined ? ChannelPacket::kJoined : ChannelPacket::kGroups;
  // If the first process has died meanwhile, its SIGCHLD tells.
  send(container_.channel.get(), &packet, sizeof packet, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace gantry
