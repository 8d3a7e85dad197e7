#include "json-text.h"

#include <stdint.h>
#include <string.h>

namespace gantry {
namespace {

constexpr size_t kLongest = 4;
constexpr char kHex[] = "0123456789abcdef";
constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

uint8_t ByteAt(const char* text, size_t index) { return static_cast<uint8_t>(text[index]); }

bool Continues(uint8_t byte) { return (byte & 0xc0) == 0x80; }

// Of the character that begins at `text`; 0 if it is none (RFC 3629: no surrogates, nothing longer than it need be).
size_t CharacterLength(const char* text, size_t size) {
  uint8_t first = ByteAt(text, 0);
  if (first < 0x80) return 1;
  size_t length = first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) == 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
  if (length == 0 || length > size) return 0;
  uint8_t second = ByteAt(text, 1);
  uint8_t least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  uint8_t most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  for (size_t i = 2; i < length; i++) {
    if (!Continues(ByteAt(text, i))) return 0;
  }
  return length;
}

// The letter of a two-character escape, or 0.
char ShortEscape(uint8_t byte) {
  switch (byte) {
    case '"':
    case '\\':
      return static_cast<char>(byte);
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

}  // namespace

size_t WholeCharacters(const char* text, size_t size, size_t limit) {
  if (size <= limit) return size;
  for (size_t back = 0; back < kLongest && back < limit; back++) {
    if (!Continues(ByteAt(text, limit - back))) return limit - back;
  }
  return limit;
}

bool IsUtf8(const char* text, size_t size) {
  for (size_t i = 0; i < size;) {
    size_t length = CharacterLength(text + i, size - i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

char* WriteJson(char* out, const char* text, size_t size) {
  for (size_t i = 0; i < size; i++) {
    uint8_t byte = ByteAt(text, i);
    char letter = ShortEscape(byte);
    if (letter != 0) {
      *out++ = '\\';
      *out++ = letter;
    } else if (byte < 0x20) {
      memcpy(out, "\\u00", 4);
      out[4] = kHex[byte >> 4];
      out[5] = kHex[byte & 15];
      out += 6;
    } else {
      *out++ = text[i];
    }
  }
  return out;
}

char* WriteBase64(char* out, const char* bytes, size_t size) {
  for (size_t i = 0; i < size; i += 3) {
    size_t left = size - i;
    uint32_t three = static_cast<uint32_t>(ByteAt(bytes, i) << 16);
    if (left > 1) three |= static_cast<uint32_t>(ByteAt(bytes, i + 1) << 8);
    if (left > 2) three |= ByteAt(bytes, i + 2);
    *out++ = kBase64[three >> 18];
    *out++ = kBase64[three >> 12 & 63];
    *out++ = left > 1 ? kBase64[three >> 6 & 63] : '=';
    *out++ = left > 2 ? kBase64[three & 63] : '=';
  }
  return out;
}

}  // namespace gantry
