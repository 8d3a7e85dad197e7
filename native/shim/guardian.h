// The shim's work: launches one container, tells its hosts about it, keeps its log, and sees its end.
#pragma once

#include "clients.h"
#include "container.h"
#include "daemon.h"
#include "entered-process.h"
#include "frame.h"
#include "log.h"

namespace gantry {

class Guardian {
 public:
  // `title` is the argument of the process, which comes to show the id of its container as far as there is room.
  Guardian(Fd host, char* title) : clients_(static_cast<Fd&&>(host)), title_(title) {}

  // Serves until the container has ended or its launch has failed.
  [[noreturn]] void Run(int host);

 private:
  // What the first process does, as far as it has told.
  enum class Phase { kSettingUp, kReady, kReleased, kRunning };

  Result Clone(FieldReader fields, const FrameMemory& launch);
  Result Launch(FieldReader fields);
  Result PassAgent(const Text& path);
  [[noreturn]] void Watch();

  bool ReadChannel();
  // Leaves word that the program could not be started.
  void RecordFailure(int error);
  void OnReady();
  void OnChannelEnd();
  void OnChildren();
  void OnClient(int client);
  void Answer(int client, const Request& request);
  // Starts the process that a client asks for.
  void Enter(int client);
  // Takes the pipe of a client who writes to the container's input. Returns the errno.
  int Attach(int client);
  // The terminal that a client's messages are about.
  Terminal& TerminalOf(int client);
  // Moves what a client has written to the input that it is for.
  void TakeInput(Input& input, InputSource& source);
  void AdoptTerminal(Fd master);
  // True if there may be more.
  bool ReadEnteredChannel(int client);
  // Takes note of how a client's process ended, and tells the client, once it has all that was written.
  void EndEnteredProcess(int client, int status);
  void ConcludeEntered(int client);
  // Ends those whose clients have gone, or could not be sent to; SIGCHLD tells when they have.
  void EndAbandoned();
  // Ends those that are left, and waits for them.
  void EndEntered();
  void Release(int client);
  // Tells the first process that its control groups are there.
  void PassOnGroups(int client, bool joined);
  void RefuseIfEnded();
  void CopyStreams(bool output, bool errors);
  void CopyEnteredStreams(int client, bool input, bool output);

  HelloMessage Hello() const;
  static ExitedMessage Exited(int status);

  // Ends a launch that has not come to a running container; leaves nothing behind. `failed` is told unless null.
  [[noreturn]] void Abandon(const Frame* failed);
  // Records and tells how the container ended.
  [[noreturn]] void Conclude(int status);

  Clients clients_;
  char* const title_;
  Container container_;
  // By the client that each belongs to.
  EnteredProcess entered_[Clients::kMost];
  InputSource sources_[Clients::kMost];
  Log log_;
  Fd signals_;
  Phase phase_ = Phase::kSettingUp;
  bool releasesItself_ = false;
  bool groupsAwaited_ = false;
  bool releaseWanted_ = false;
  bool executing_ = false;
  bool reaped_ = false;
};

}  // namespace gantry
