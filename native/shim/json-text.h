// Text as JSON has it.
#pragma once

#include <stddef.h>

namespace gantry {

// How many bytes of `text`, at most `limit`, do not end within a character, as far as it is UTF-8.
size_t WholeCharacters(const char* text, size_t size, size_t limit);

bool IsUtf8(const char* text, size_t size);

// The text as the inside of a JSON string, six times as long at most. Returns its end.
char* WriteJson(char* out, const char* text, size_t size);

// In base64 with padding. Returns its end.
char* WriteBase64(char* out, const char* bytes, size_t size);

}  // namespace gantry
