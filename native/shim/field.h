// The fields of a message: read from the bytes of a frame where they lie, written to a buffer of the caller's.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace gantry {

// A string inside a frame, NUL at its end and none before.
struct Text {
  const char* data = "";
  uint32_t size = 0;

  bool empty() const { return size == 0; }
};

// Bytes inside a frame.
struct Blob {
  const uint8_t* bytes = nullptr;
  uint32_t size = 0;
};

// Strings one after the other inside a frame; walk them with a FieldReader made of it.
struct TextList {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  uint32_t count = 0;
};

// Blocks of a u32 length, a step code and the fields of that step.
struct StepList {
  const uint8_t* bytes = nullptr;
  size_t size = 0;
  uint32_t count = 0;
};

// Every Read is false, and changes nothing that matters, if the bytes do not hold such a field.
class FieldReader {
 public:
  FieldReader(const uint8_t* bytes, size_t size) : next_(bytes), left_(size) {}
  explicit FieldReader(const TextList& list) : FieldReader(list.bytes, list.size) {}
  explicit FieldReader(const StepList& list) : FieldReader(list.bytes, list.size) {}

  bool AtEnd() const { return left_ == 0; }

  bool Read(uint8_t* out) { return Integer(out); }
  bool Read(uint32_t* out) { return Integer(out); }
  bool Read(int32_t* out) { return Integer(out); }
  bool Read(uint64_t* out) { return Integer(out); }

  bool Read(Text* out) {
    uint32_t size;
    if (!Read(&size) || left_ <= size || next_[size] != 0 || memchr(next_, 0, size) != nullptr) return false;
    *out = {reinterpret_cast<const char*>(next_), size};
    return Skip(size + 1);
  }

  bool Read(Blob* out) {
    uint32_t size;
    if (!Read(&size) || left_ < size) return false;
    *out = {next_, size};
    return Skip(size);
  }

  bool Read(TextList* out) {
    uint32_t count;
    if (!Read(&count)) return false;
    const uint8_t* start = next_;
    Text text;
    for (uint32_t i = 0; i < count; i++) {
      if (!Read(&text)) return false;
    }
    *out = {start, static_cast<size_t>(next_ - start), count};
    return true;
  }

  bool Read(StepList* out) {
    uint32_t count;
    if (!Read(&count)) return false;
    const uint8_t* start = next_;
    for (uint32_t i = 0; i < count; i++) {
      uint32_t size;
      if (!Read(&size) || size == 0 || size > left_ || !Skip(size)) return false;
    }
    *out = {start, static_cast<size_t>(next_ - start), count};
    return true;
  }

  // The fields of the next block of a StepList, which has been checked when it was read itself.
  FieldReader Block() {
    uint32_t size = 0;
    Read(&size);
    FieldReader block(next_, size);
    Skip(size);
    return block;
  }

 private:
  template <typename T>
  bool Integer(T* out) {
    if (left_ < sizeof(T)) return false;
    memcpy(out, next_, sizeof(T));
    return Skip(sizeof(T));
  }

  bool Skip(size_t size) {
    next_ += size;
    left_ -= size;
    return true;
  }

  const uint8_t* next_;
  size_t left_;
};

// Writes fields while there is room; a text that does not fit is shortened.
class FieldWriter {
 public:
  FieldWriter(uint8_t* bytes, size_t room) : bytes_(bytes), room_(room) {}

  size_t size() const { return size_; }

  void Write(uint8_t value) { Bytes(&value, sizeof value); }
  void Write(uint32_t value) { Bytes(&value, sizeof value); }
  void Write(int32_t value) { Bytes(&value, sizeof value); }
  void Write(uint64_t value) { Bytes(&value, sizeof value); }
  void Write(Text text) {
    size_t left = room_ - size_;
    if (left < sizeof(uint32_t) + 1) return;
    uint32_t size = text.size;
    if (size > left - sizeof(uint32_t) - 1) size = static_cast<uint32_t>(left - sizeof(uint32_t) - 1);
    Write(size);
    Bytes(text.data, size);
    Write(uint8_t{0});
  }

 private:
  void Bytes(const void* value, size_t size) {
    if (size > room_ - size_) return;
    memcpy(bytes_ + size_, value, size);
    size_ += size;
  }

  uint8_t* bytes_;
  size_t room_;
  size_t size_ = 0;
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fields are little-endian and read as they lie");

}  // namespace gantry
