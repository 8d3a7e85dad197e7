#include "process-identity.h"

#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "number.h"
#include "text-buffer.h"

namespace gantry {
namespace {

Result ReadStartTimeIn(int folder, const char* path, uint64_t* out) {
  char stat[1024];
  Fd file(openat(folder, path, O_RDONLY | O_CLOEXEC));
  ssize_t size = file.valid() ? read(file.get(), stat, sizeof stat - 1) : -1;
  if (size < 0) return CallFailure("read", "/proc/<pid>/stat");
  stat[size] = 0;
  // Counted after the name in parentheses, which may hold anything.
  const char* next = strrchr(stat, ')');
  for (int field = 2; next != nullptr && field < 22; field++) next = strchr(next + 1, ' ');
  if (next == nullptr || !ReadNumber(&(++next), out)) return Failure(EBADMSG, "read", "/proc/<pid>/stat");
  return kOk;
}

}  // namespace

Result ReadStartTime(pid_t pid, uint64_t* out) {
  TextBuffer<32> path;
  path.Add("/proc/").AddSigned(pid).Add("/stat");
  return ReadStartTimeIn(AT_FDCWD, path.c_str(), out);
}

Result OpenProcess(const Fd& procfs, pid_t pid, uint64_t startTime, Fd* out) {
  TextBuffer<16> name;
  name.AddSigned(pid);
  *out = Fd(openat(procfs.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!out->valid()) return Failure(ESRCH, "the process has ended");
  uint64_t started = 0;
  if (Result result = ReadStartTimeIn(out->get(), "stat", &started); !result.ok()) return result;
  return started == startTime ? kOk : Failure(ESRCH, "the process has ended");
}

Result JoinNamespaceOf(const Fd& process, const char* name, uint64_t type) {
  TextBuffer<16> path;
  path.Add("ns/").Add(name);
  Fd file(openat(process.get(), path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return CallFailure("open", "/proc/<pid>/ns");
  return syscall(SYS_setns, file.get(), type) == 0 ? kOk : CallFailure("setns");
}

}  // namespace gantry
