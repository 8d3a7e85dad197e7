// Text put together in a buffer of fixed size, always NUL-terminated; what does not fit is cut and told by `full`.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace gantry {

template <size_t kCapacity>
class TextBuffer {
 public:
  const char* c_str() const { return bytes_; }
  size_t size() const { return size_; }
  bool full() const { return full_; }

  void Clear() {
    size_ = 0;
    full_ = false;
    bytes_[0] = 0;
  }

  TextBuffer& Add(const char* text) { return Add(text, strlen(text)); }

  TextBuffer& Add(const char* text, size_t size) {
    if (size > kCapacity - size_) {
      size = kCapacity - size_;
      full_ = true;
    }
    memcpy(bytes_ + size_, text, size);
    size_ += size;
    bytes_[size_] = 0;
    return *this;
  }

  // Decimal, with zeros in front up to `width` digits.
  TextBuffer& AddNumber(uint64_t value, int width = 1) {
    char digits[20];
    int first = sizeof digits;
    do {
      digits[--first] = static_cast<char>('0' + value % 10);
      value /= 10;
    } while (value > 0);
    for (int missing = width - (static_cast<int>(sizeof digits) - first); missing > 0; missing--) Add("0", 1);
    return Add(digits + first, sizeof digits - static_cast<size_t>(first));
  }

  TextBuffer& AddSigned(int64_t value) {
    if (value < 0) Add("-", 1);
    return AddNumber(value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value));
  }

 private:
  char bytes_[kCapacity + 1] = {};
  size_t size_ = 0;
  bool full_ = false;
};

}  // namespace gantry
