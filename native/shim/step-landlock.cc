// The steps that put the container under a Landlock ruleset; landlock(7).
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "channel.h"
#include "first-process.h"
#include "places.h"
#include "rights.h"

namespace gantry {
namespace {

// What the headers of the build machine may be too old to have whole.
struct RulesetAttributes {
  uint64_t files;
  uint64_t network;
  uint64_t scopes;
};
struct PortRule {
  uint64_t access;
  uint64_t port;
};
constexpr int kPortRule = 2;
constexpr uint64_t kTruncate = 1 << 14;

// A rule about a file can allow no more than these.
constexpr uint64_t kOfFiles =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | kTruncate;

Result AddRule(const Fd& ruleset, int type, const void* rule, const char* path) {
  return syscall(SYS_landlock_add_rule, ruleset.get(), type, rule, 0) == 0 ? kOk
                                                                           : CallFailure("landlock_add_rule", path);
}

}  // namespace

Result Perform(FirstProcess& process, const LandlockRulesetStep& step) {
  if (process.ruleset.valid()) return Failure(EPROTO, "a second ruleset");
  RulesetAttributes attributes{step.files, step.network, step.scopes};
  process.ruleset = Fd(static_cast<int>(syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  process.madeRuleset = true;
  return process.ruleset.valid() ? kOk : CallFailure("landlock_create_ruleset");
}

Result Perform(FirstProcess& process, const LandlockPathStep& step) {
  Fd target;
  if (Result result = OpenInContainer(process, step.path.data, 0, &target); !result.ok()) return result;
  struct stat info;
  if (fstat(target.get(), &info) != 0) return CallFailure("fstat", step.path.data);
  landlock_path_beneath_attr rule{};
  rule.allowed_access = S_ISDIR(info.st_mode) ? step.access : step.access & kOfFiles;
  rule.parent_fd = target.get();
  return AddRule(process.ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, step.path.data);
}

Result Perform(FirstProcess& process, const LandlockPortStep& step) {
  PortRule rule{step.access, step.port};
  return AddRule(process.ruleset, kPortRule, &rule, "");
}

Result Perform(FirstProcess& process, const LandlockStep&) {
  Fd ruleset = static_cast<Fd&&>(process.ruleset);
  if (!ruleset.valid()) return Failure(EPROTO, "no ruleset");
  if (process.madeRuleset) {
    constexpr ChannelPacket kPacket = ChannelPacket::kRuleset;
    ssize_t sent = SendWithRight(process.channel.get(), &kPacket, sizeof kPacket, MSG_NOSIGNAL, ruleset.get());
    if (sent != sizeof kPacket) return CallFailure("sendmsg");
  }
  return syscall(SYS_landlock_restrict_self, ruleset.get(), 0) == 0 ? kOk : CallFailure("landlock_restrict_self");
}

}  // namespace gantry
