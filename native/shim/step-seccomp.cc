// The step that limits which system calls the container may make; seccomp(2), seccomp_unotify(2).
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "first-process.h"
#include "rights.h"
#include "system-calls.h"
#include "text-buffer.h"

namespace gantry {
namespace {

// What the agent is told. As much as goes into a new connection at once.
using State = TextBuffer<32768>;

// The parts of the state, with the id of this process, as the host has it, between them.
Result Describe(const FirstProcess& process, const TextList& parts, State* out) {
  char id[32] = {};
  if (readlinkat(process.procfs.get(), "self", id, sizeof id - 1) < 0) return CallFailure("readlink", "/proc/self");
  FieldReader reader(parts);
  for (uint32_t i = 0; i < parts.count; i++) {
    Text part;
    reader.Read(&part);
    if (i > 0) out->Add(id);
    out->Add(part.data, part.size);
  }
  return out->full() ? Failure(EMSGSIZE, "state") : kOk;
}

Result InstallProgram(const SeccompStep& step, uint32_t flags, int* listener) {
  constexpr uint32_t kSize = sizeof(sock_filter);
  if (step.program.size % kSize != 0 || step.program.size / kSize > BPF_MAXINSNS) return Failure(EINVAL, "program");
  sock_fprog program{};
  program.len = static_cast<unsigned short>(step.program.size / kSize);
  // The kernel copies it, wherever it lies.
  program.filter = reinterpret_cast<sock_filter*>(const_cast<uint8_t*>(step.program.bytes));
  *listener = static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));
  return *listener < 0 ? CallFailure("seccomp") : kOk;
}

// Nothing is called between the filter and the message but what sends it: until the agent has the listener, a call that is
// the agent's to answer would wait for ever. So the listener and the connection are left for the exec to close.
Result InstallHeard(const FirstProcess& process, const SeccompStep& step) {
  State state;
  if (!process.agent.valid()) return Failure(EPROTO, "no agent");
  if (Result result = Describe(process, step.state, &state); !result.ok()) return result;
  int listener;
  Result result = InstallProgram(step, step.flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, &listener);
  if (!result.ok()) return result;
  ssize_t sent = SendWithRight(process.agent.get(), state.c_str(), state.size(), MSG_NOSIGNAL, listener);
  if (sent < 0) return CallFailure("sendmsg");
  return static_cast<size_t>(sent) == state.size() ? kOk : Failure(EMSGSIZE, "sendmsg");
}

Result Install(const FirstProcess& process, const SeccompStep& step) {
  if (step.state.count > 0) return InstallHeard(process, step);
  int none;
  return InstallProgram(step, step.flags, &none);
}

}  // namespace

Result Perform(FirstProcess& process, const SeccompStep& step) {
  if (step.last == 0) return Install(process, step);
  if (process.filterPending) return Failure(EPROTO, "a second filter");
  process.filter = step;
  process.filterPending = true;
  return kOk;
}

Result ApplyFilter(FirstProcess& process) {
  if (!process.filterPending) return kOk;
  process.filterPending = false;
  return Install(process, process.filter);
}

Result ApplyFilterUnheard(FirstProcess& process) {
  process.filter.state = {};
  return ApplyFilter(process);
}

}  // namespace gantry
