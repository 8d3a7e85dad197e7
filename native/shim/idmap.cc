// A user namespace for mounts to be seen through. Nobody lives in it: a child is there until its maps are written.
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#include "host-tree.h"
#include "number.h"
#include "system-calls.h"
#include "text-buffer.h"

namespace gantry {
namespace {

// A child in a user namespace of its own, which ends with the scope or with its parent.
class Inhabitant {
 public:
  Result Start() {
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0) return CallFailure("pipe2");
    Fd reader(pair[0]);
    alive_ = Fd(pair[1]);
    int pidfd = -1;
    clone_args arguments{};
    arguments.flags = CLONE_NEWUSER | CLONE_PIDFD;
    arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
    arguments.exit_signal = SIGCHLD;
    pid_ = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
    if (pid_ < 0) return CallFailure("clone3");
    if (pid_ == 0) {
      alive_.Close();
      char byte;
      while (read(reader.get(), &byte, 1) < 0 && errno == EINTR) continue;
      _exit(0);
    }
    pidfd_ = Fd(pidfd);
    return kOk;
  }

  ~Inhabitant() {
    if (pid_ <= 0) return;
    alive_.Close();
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  }

  // Its folder in a procfs, whose numbers of processes may be other than the caller's.
  Result OpenFolder(const Fd& procfs, Fd* out) const {
    TextBuffer<64> path;
    path.Add("self/fdinfo/").AddSigned(pidfd_.get());
    Fd file(openat(procfs.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
    char text[1024];
    ssize_t size = file.valid() ? read(file.get(), text, sizeof text - 1) : -1;
    if (size < 0) return CallFailure("fdinfo");
    text[size] = 0;
    uint64_t pid = 0;
    for (const char* line = text; *line != 0;) {
      if (strncmp(line, "Pid:\t", 5) == 0) {
        const char* number = line + 5;
        if (!ReadNumber(&number, &pid)) return Failure(ESRCH, "fdinfo");
      }
      line += strcspn(line, "\n");
      if (*line != 0) line++;
    }
    if (pid == 0) return Failure(ESRCH, "fdinfo");
    TextBuffer<24> name;
    name.AddSigned(static_cast<int64_t>(pid));
    *out = Fd(openat(procfs.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return out->valid() ? kOk : CallFailure("open", "/proc");
  }

 private:
  Fd alive_;
  Fd pidfd_;
  pid_t pid_ = -1;
};

// The kernel takes a map in one write of less than a page.
Result WriteMap(const Fd& folder, const char* name, const TextList& lines) {
  TextBuffer<4095> text;
  FieldReader reader(lines);
  for (uint32_t i = 0; i < lines.count; i++) {
    Text line;
    reader.Read(&line);
    text.Add(line.data).Add("\n");
  }
  if (text.full()) return Failure(E2BIG, name);
  Fd file(openat(folder.get(), name, O_WRONLY | O_CLOEXEC));
  if (!file.valid() || write(file.get(), text.c_str(), text.size()) < 0) return CallFailure(name);
  return kOk;
}

}  // namespace

Result MakeIdmap(const IdmapStep& step, const Fd& procfs, Fd* out) {
  Inhabitant inhabitant;
  if (Result result = inhabitant.Start(); !result.ok()) return result;
  Fd folder;
  if (Result result = inhabitant.OpenFolder(procfs, &folder); !result.ok()) return result;
  if (Result result = WriteMap(folder, "uid_map", step.uids); !result.ok()) return result;
  if (Result result = WriteMap(folder, "gid_map", step.gids); !result.ok()) return result;
  *out = Fd(openat(folder.get(), "ns/user", O_RDONLY | O_CLOEXEC));
  return out->valid() ? kOk : CallFailure("open", "ns/user");
}

}  // namespace gantry
