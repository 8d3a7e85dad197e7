// Descriptors to wait for, each under a number of its own.
#pragma once

#include <poll.h>

namespace gantry {

template <int kSlots>
class PollSet {
 public:
  // One that is not open is left out: the kernel takes no more than may be open, and else fails.
  void Add(int slot, int fd, short events) {
    if (fd < 0) return;
    slots_[count_] = static_cast<short>(slot);
    events_[count_++] = {fd, events, 0};
  }

  // False if it fails, for want of memory; else what has happened can be asked. `timeout` in ms, -1 for none.
  bool Wait(int timeout) {
    ready_ = poll(events_, static_cast<nfds_t>(count_), timeout);
    for (int i = 0; ready_ > 0 && i < count_; i++) happened_[slots_[i]] = events_[i].revents;
    return ready_ >= 0;
  }

  // Whether nothing happened in time.
  bool timedOut() const { return ready_ == 0; }
  bool empty() const { return count_ == 0; }

  bool operator[](int slot) const { return happened_[slot] != 0; }

 private:
  int count_ = 0;
  int ready_ = 0;
  short slots_[kSlots];
  pollfd events_[kSlots];
  short happened_[kSlots] = {};
};

}  // namespace gantry
