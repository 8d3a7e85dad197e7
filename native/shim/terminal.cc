#include "terminal.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/tty.h>
#include <sys/ioctl.h>

namespace gantry {

Result Terminal::Adopt(Fd master) {
  if (!master.valid()) return Failure(EBADF, "terminal");
  if (fcntl(master.get(), F_SETFL, O_RDWR | O_NONBLOCK) != 0) return CallFailure("fcntl", "terminal");
  slave_ = Fd(ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!slave_.valid()) return CallFailure("TIOCGPTPEER");
  master_ = static_cast<Fd&&>(master);
  return kOk;
}

void Terminal::Close() {
  master_.Close();
  slave_.Close();
}

int Terminal::Resize(uint32_t columns, uint32_t rows) {
  if (!valid()) return ENOTTY;
  if (columns > UINT16_MAX || rows > UINT16_MAX) return EINVAL;
  winsize size{};
  size.ws_col = static_cast<uint16_t>(columns);
  size.ws_row = static_cast<uint16_t>(rows);
  return ioctl(master_.get(), TIOCSWINSZ, &size) == 0 ? 0 : errno;
}

bool Terminal::TypeEnd() {
  termios modes;
  // The master tells the modes of the terminal. Character 0 stands for none.
  if (ioctl(master_.get(), TCGETS, &modes) != 0 || modes.c_cc[VEOF] == 0) return true;
  return write(master_.get(), &modes.c_cc[VEOF], 1) == 1 || errno != EAGAIN;
}

}  // namespace gantry
