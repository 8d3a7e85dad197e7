// The step that makes the container's terminal.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/vfs.h>

#include "channel.h"
#include "filesystem.h"
#include "first-process.h"
#include "places.h"
#include "rights.h"
#include "system-calls.h"

namespace gantry {
namespace {

constexpr char kFolder[] = "/dev/pts";

// What a container put in the place of the devpts would be opened with the privileges of the shim, so nothing else is.
Result OpenMaster(const FirstProcess& process, Fd* out) {
  Fd folder;
  if (Result result = OpenInContainer(process, kFolder, RESOLVE_NO_SYMLINKS, &folder); !result.ok()) return result;
  struct statfs info;
  if (fstatfs(folder.get(), &info) != 0) return CallFailure("fstatfs", kFolder);
  if (info.f_type != DEVPTS_SUPER_MAGIC) return Failure(EXDEV, "not a devpts", kFolder);
  *out = Fd(OpenAt2(folder.get(), "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC,
                    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV));
  return out->valid() ? kOk : CallFailure("open", "/dev/pts/ptmx");
}

Result MakeTerminal(const FirstProcess& process, const ConsoleStep& step, Fd* master, Fd* slave) {
  if (Result result = OpenMaster(process, master); !result.ok()) return result;
  int locked = 0;
  if (ioctl(master->get(), TIOCSPTLCK, &locked) != 0) return CallFailure("TIOCSPTLCK");
  *slave = Fd(ioctl(master->get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave->valid()) return CallFailure("TIOCGPTPEER");
  if (step.columns > UINT16_MAX || step.rows > UINT16_MAX) return Failure(EINVAL, "size");
  winsize size{};
  size.ws_col = static_cast<uint16_t>(step.columns);
  size.ws_row = static_cast<uint16_t>(step.rows);
  if (ioctl(master->get(), TIOCSWINSZ, &size) != 0) return CallFailure("TIOCSWINSZ");
  // Its group is that of the devpts.
  return fchown(slave->get(), step.uid, static_cast<gid_t>(-1)) == 0 ? kOk : CallFailure("fchown");
}

Result BindConsole(const FirstProcess& process, int slave) {
  constexpr char kConsole[] = "/dev/console";
  Fd target;
  if (Result result = OpenOrCreateInContainer(process, kConsole, Kind::kFile, &target); !result.ok()) return result;
  Fd mount;
  if (Result result = CloneTree(slave, false, &mount); !result.ok()) return result;
  return Attach(mount.get(), target.get(), kConsole);
}

}  // namespace

Result Perform(FirstProcess& process, const ConsoleStep& step) {
  Fd master;
  Fd slave;
  if (Result result = MakeTerminal(process, step, &master, &slave); !result.ok()) return result;
  if (step.devConsole != 0) {
    if (Result result = BindConsole(process, slave.get()); !result.ok()) return result;
  }
  if (ioctl(slave.get(), TIOCSCTTY, 0) != 0) return CallFailure("TIOCSCTTY");
  for (int fd = 0; fd < Streams::kCount; fd++) {
    if (dup2(slave.get(), fd) < 0) return CallFailure("dup2");
  }
  process.hasTerminal = true;
  constexpr ChannelPacket kPacket = ChannelPacket::kConsole;
  ssize_t sent = SendWithRight(process.channel.get(), &kPacket, sizeof kPacket, MSG_NOSIGNAL, master.get());
  // Else the shim is gone.
  return sent == sizeof kPacket ? kOk : CallFailure("sendmsg");
}

}  // namespace gantry
