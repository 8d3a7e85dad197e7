// Memory and strings, in their plainest form. <string.h> is not included: it overloads some of them for C++.
#include <stddef.h>
#include <stdint.h>

extern "C" {

void* memcpy(void* __restrict to, const void* __restrict from, size_t size) {
  auto* out = static_cast<uint8_t*>(to);
  const auto* in = static_cast<const uint8_t*>(from);
  while (size-- > 0) *out++ = *in++;
  return to;
}

void* memmove(void* to, const void* from, size_t size) {
  auto* out = static_cast<uint8_t*>(to);
  const auto* in = static_cast<const uint8_t*>(from);
  if (out <= in) {
    while (size-- > 0) *out++ = *in++;
  } else {
    while (size-- > 0) out[size] = in[size];
  }
  return to;
}

void* memset(void* to, int value, size_t size) {
  auto* out = static_cast<uint8_t*>(to);
  while (size-- > 0) *out++ = static_cast<uint8_t>(value);
  return to;
}

int memcmp(const void* left, const void* right, size_t size) {
  const auto* a = static_cast<const uint8_t*>(left);
  const auto* b = static_cast<const uint8_t*>(right);
  for (; size > 0; size--, a++, b++) {
    if (*a != *b) return *a - *b;
  }
  return 0;
}

const void* memchr(const void* in, int value, size_t size) {
  const auto* next = static_cast<const uint8_t*>(in);
  for (; size > 0; size--, next++) {
    if (*next == static_cast<uint8_t>(value)) return next;
  }
  return nullptr;
}

size_t strnlen(const char* text, size_t most) {
  size_t size = 0;
  while (size < most && text[size] != 0) size++;
  return size;
}

size_t strlen(const char* text) { return strnlen(text, SIZE_MAX); }

int strncmp(const char* left, const char* right, size_t size) {
  for (; size > 0; size--, left++, right++) {
    if (*left != *right) return static_cast<uint8_t>(*left) - static_cast<uint8_t>(*right);
    if (*left == 0) break;
  }
  return 0;
}

int strcmp(const char* left, const char* right) { return strncmp(left, right, SIZE_MAX); }

char* strcpy(char* __restrict to, const char* __restrict from) {
  memcpy(to, from, strlen(from) + 1);
  return to;
}

const char* strchr(const char* text, int value) {
  for (;; text++) {
    if (*text == static_cast<char>(value)) return text;
    if (*text == 0) return nullptr;
  }
}

const char* strrchr(const char* text, int value) {
  const char* last = nullptr;
  for (;; text++) {
    if (*text == static_cast<char>(value)) last = text;
    if (*text == 0) return last;
  }
}

size_t strspn(const char* text, const char* accept) {
  size_t size = 0;
  while (text[size] != 0 && strchr(accept, text[size]) != nullptr) size++;
  return size;
}

size_t strcspn(const char* text, const char* reject) {
  size_t size = 0;
  while (text[size] != 0 && strchr(reject, text[size]) == nullptr) size++;
  return size;
}

}  // extern "C"
