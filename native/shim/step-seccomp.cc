// The step that limits which system calls the container may make.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "first-process.h"
#include "system-calls.h"

namespace gantry {
namespace {

Result Install(const SeccompStep& step) {
  constexpr uint32_t kSize = sizeof(sock_filter);
  if (step.program.size % kSize != 0 || step.program.size / kSize > BPF_MAXINSNS) return Failure(EINVAL, "program");
  sock_fprog program{};
  program.len = static_cast<unsigned short>(step.program.size / kSize);
  // The kernel copies it, wherever it lies.
  program.filter = reinterpret_cast<sock_filter*>(const_cast<uint8_t*>(step.program.bytes));
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, step.flags, &program) == 0 ? kOk : CallFailure("seccomp");
}

}  // namespace

Result Perform(FirstProcess& process, const SeccompStep& step) {
  if (step.last == 0) return Install(step);
  if (process.filterPending) return Failure(EPROTO, "a second filter");
  process.filter = step;
  process.filterPending = true;
  return kOk;
}

Result ApplyFilter(FirstProcess& process) {
  if (!process.filterPending) return kOk;
  process.filterPending = false;
  return Install(process.filter);
}

}  // namespace gantry
