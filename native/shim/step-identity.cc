// Steps that give up privilege: capabilities, user, no_new_privs.
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "first-process.h"
#include "mapped-array.h"
#include "number.h"

namespace gantry {
namespace {

constexpr int kCapabilityBits = 64;
constexpr uint32_t kMaxGroups = 65536;  // NGROUPS_MAX

// The groups as numbers, in memory of their own that lasts until the exec.
Result ReadGroups(const TextList& list, gid_t** out) {
  if (list.count > kMaxGroups) return Failure(EINVAL, "too many groups");
  // One more than there are: an empty list has memory, too.
  if (Result result = MapArray(list.count + size_t{1}, out); !result.ok()) return result;
  FieldReader reader(list);
  for (uint32_t i = 0; i < list.count; i++) {
    Text text;
    reader.Read(&text);
    const char* end = text.data;
    uint64_t value = 0;
    if (!ReadNumber(&end, &value) || *end != 0 || value >= UINT32_MAX) return Failure(EINVAL, "group", text.data);
    (*out)[i] = static_cast<gid_t>(value);
  }
  return kOk;
}

// Whether nobody in this user namespace may change his groups. He then keeps those that he has outside.
bool GroupsAreDenied(const FirstProcess& process) {
  if (process.users == UserNamespace::kNone) return false;
  char text[8] = {};
  Fd file(openat(process.procfs.get(), "self/setgroups", O_RDONLY | O_CLOEXEC));
  return file.valid() && read(file.get(), text, sizeof text) >= 4 && memcmp(text, "deny", 4) == 0;
}

Result DropBoundingSet(uint64_t keep) {
  for (int bit = 0; bit < kCapabilityBits; bit++) {
    bool wanted = (keep >> bit & 1) != 0;
    int held = prctl(PR_CAPBSET_READ, bit);
    // EINVAL: the kernel has no more. One that is asked for cannot be left out in silence.
    if (held < 0) return keep >> bit == 0 ? kOk : CallFailure("unknown capability");
    if (held > 0 && !wanted && prctl(PR_CAPBSET_DROP, bit) != 0) return CallFailure("PR_CAPBSET_DROP");
  }
  return kOk;
}

}  // namespace

Result Perform(FirstProcess& process, const CapabilitiesStep& step) {
  if (Result result = DropBoundingSet(step.bounding); !result.ok()) return result;
  if (prctl(PR_SET_KEEPCAPS, 1) != 0) return CallFailure("PR_SET_KEEPCAPS");
  process.capabilities = step;
  process.capabilitiesPending = true;
  return kOk;
}

Result ApplyCapabilities(FirstProcess& process) {
  if (!process.capabilitiesPending) return kOk;
  process.capabilitiesPending = false;
  const CapabilitiesStep& wanted = process.capabilities;
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return CallFailure("PR_CAP_AMBIENT_CLEAR_ALL");
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  for (int half = 0; half < 2; half++) {
    data[half].effective = static_cast<uint32_t>(wanted.effective >> (32 * half));
    data[half].permitted = static_cast<uint32_t>(wanted.permitted >> (32 * half));
    data[half].inheritable = static_cast<uint32_t>(wanted.inheritable >> (32 * half));
  }
  if (syscall(SYS_capset, &header, data) != 0) return CallFailure("capset");
  for (int bit = 0; bit < kCapabilityBits; bit++) {
    if ((wanted.ambient >> bit & 1) != 0 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0) != 0) {
      return CallFailure("PR_CAP_AMBIENT_RAISE");
    }
  }
  return kOk;
}

Result Perform(FirstProcess& process, const UserStep& step) {
  if (step.uid == UINT32_MAX || step.gid == UINT32_MAX) return Failure(EINVAL, "id");
  gid_t* groups = nullptr;
  if (Result result = ReadGroups(step.groups, &groups); !result.ok()) return result;
  // So that a user other than root can open /dev/stdin, /dev/stdout and /dev/stderr, which lead to the pipes.
  for (int fd = process.hasInput ? 0 : 1; step.uid != 0 && !process.hasTerminal && fd < Streams::kCount; fd++) {
    if (fchown(fd, step.uid, step.gid) == 0) continue;
    // Those of a host program whose user is nobody in there are not the namespace's to give.
    if (errno != EPERM || process.users != UserNamespace::kJoined) return CallFailure("fchown");
  }
  if (setgroups(step.groups.count, groups) != 0 && !(errno == EPERM && GroupsAreDenied(process))) {
    return CallFailure("setgroups");
  }
  if (setresgid(step.gid, step.gid, step.gid) != 0) return CallFailure("setresgid");
  if (setresuid(step.uid, step.uid, step.uid) != 0) return CallFailure("setresuid");
  return ApplyCapabilities(process);
}

Result Perform(FirstProcess&, const NoNewPrivilegesStep&) {
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? kOk : CallFailure("PR_SET_NO_NEW_PRIVS");
}

}  // namespace gantry
