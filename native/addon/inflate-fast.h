// The inner loop of the decoder, for where neither input nor output can run out within a step.
#pragma once

#include "inflate.h"

namespace gantry::inflate {

enum class FastEnd { kMargin, kEndOfBlock, kInvalidCode, kTooFarBack };

// A step reads at most three words of input, of 8 bytes and 7 bytes apart.
constexpr size_t kFastInput = 32;
// A step writes at most two literals and a match of 258 bytes, and 29 bytes behind that.
constexpr size_t kFastOutput = 304;

// Decodes symbols while at least that much input and output is left.
FastEnd DecodeFast(const Tables& tables, Input& in, Output& out);

}  // namespace gantry::inflate
