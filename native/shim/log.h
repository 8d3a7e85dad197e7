// What a container writes, as its log has it. With kCri, lines of the Kubernetes CRI log format:
//
//   2016-10-06T00:17:09.669794202Z stdout F a whole line
//   2016-10-06T00:17:09.669794202Z stderr P a piece of a line
//
// With kJson, an object a line: {"log":"a whole line\n","stream":"stdout","time":"2016-10-06T00:17:09.669794202Z"}, or
// "base64" for a "log" that is not UTF-8. With kPlain, the bytes as they are, each stream in a file of its own.
//
// What a stream holds is logged as soon as it is read, as a piece if its line end has not come: nothing waits in
// the shim. A write that fails drops output; it never blocks the container.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "log-file.h"
#include "result.h"

namespace gantry {

enum class LogFormat : uint8_t { kCri = 0, kJson = 1, kPlain = 2 };

// Also the place of its file among those of the plain format.
enum class LogStream { kOutput = 0, kErrors = 1 };

class Log {
 public:
  // Creates the log files in the current folder. Limits as of `LogFile`.
  Result Open(LogFormat format, uint64_t maxBytes, uint32_t maxFiles);

  // Reads what `source` has, at most one buffer, and writes it. False at its end.
  bool Copy(int source, LogStream stream);

  // Reads what `pipe` has now, and nothing that comes later: another process may hold it open and write for ever.
  void Drain(int pipe, LogStream stream);

  // Reads what a terminal has left once its last process has gone.
  void DrainTerminal(int terminal);

  // Removes the log files, if this log created or opened them.
  void Remove();

 private:
  static constexpr size_t kInput = 16 * 1024;
  static constexpr size_t kOutput = 24 * 1024;
  static constexpr size_t kHead = 48;  // at most: time, stream and tag
  // Of a piece of text, so that it fits the output even if each of its bytes is escaped.
  static constexpr size_t kJsonPiece = 3 * 1024;

  ssize_t CopyOnce(int source, LogStream stream);
  void AddCri(const char* text, size_t size, bool whole);
  void AddJson(const char* text, size_t size);
  // Makes room for an entry in the output, and in the file.
  void Reserve(size_t entry);
  void Flush();
  LogFile& FileOf(LogStream stream) { return files_[format_ == LogFormat::kPlain ? static_cast<int>(stream) : 0]; }

  LogFormat format_ = LogFormat::kCri;
  LogFile files_[2];
  LogFile* current_ = nullptr;
  LogStream stream_ = LogStream::kOutput;
  // CRI: time and stream. JSON: what follows the text.
  char head_[2 * kHead];
  size_t headSize_ = 0;
  char input_[kInput];
  char output_[kOutput];
  size_t outputSize_ = 0;
};

}  // namespace gantry
