#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

namespace gantry {
namespace {

constexpr size_t kPiece = 64 * 1024;

bool HasBytes(int fd) {
  int left = 0;
  return ioctl(fd, FIONREAD, &left) == 0 && left > 0;
}

}  // namespace

Moved Move(int from, int to) {
  long size;
  do {
    size = syscall(SYS_splice, from, nullptr, to, nullptr, kPiece, SPLICE_F_NONBLOCK);
  } while (size < 0 && errno == EINTR);
  if (size > 0) return Moved::kSome;
  if (size == 0) return Moved::kEnd;
  if (errno != EAGAIN) return Moved::kBroken;
  return HasBytes(from) ? Moved::kNoRoom : Moved::kNothing;
}

bool InputSource::Empty() const { return !HasBytes(pipe.get()); }

bool Input::Take(InputSource& source) {
  switch (Move(source.pipe.get(), get())) {
    case Moved::kNoRoom:
      full_ = true;
      return true;
    case Moved::kEnd:
      return false;
    case Moved::kBroken:
      // Nobody reads it any more.
      pipe_.Close();
      terminal_ = nullptr;
      return false;
    default:
      return true;
  }
}

bool Input::End() {
  if (terminal_ == nullptr) {
    pipe_.Close();
  } else if (terminal_->valid() && !terminal_->TypeEnd()) {
    full_ = true;
    return false;
  }
  return true;
}

}  // namespace gantry
