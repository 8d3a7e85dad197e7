// Files that have their names, and still lack body and metadata. Names are given in the archive's order, by one thread; the rest goes
// through the descriptor, so it can be done by any thread, in any order, whatever becomes of the name meanwhile.
#pragma once

#include <deque>
#include <string>

#include "filesystem.h"

namespace gantry {

struct NewFile {
  Fd fd;
  // Of the whole file; has to stay where it is.
  filesystem::Bytes body;
  filesystem::Metadata metadata;
  // For errors.
  std::string path;
};

// Writes body and metadata.
filesystem::Result Finish(const NewFile& file);

// The first failure of all.
struct FileFault {
  int error = 0;
  const char* syscall = "";
  std::string path;
};

// Not safe for threads by itself.
class FileQueue {
 public:
  struct Waiting {
    NewFile file;
    // Which piece of the archive its body is in.
    uint64_t piece = 0;
  };

  // False, and nothing is taken, if enough wait: each has a descriptor open.
  bool Add(NewFile& file, uint64_t piece);
  // The one that came first; false if there is none. To be followed by `Done`.
  bool Take(Waiting& out);
  void Done(const Waiting& file, const filesystem::Result& result);
  void Clear() { waiting_.clear(); }

  // Whether all that were added are finished.
  bool isDone() const { return waiting_.empty() && underWay_ == 0; }
  bool isWorthWaking() const { return waiting_.size() == kWorthWaking; }
  const FileFault& fault() const { return fault_; }

 private:
  static constexpr size_t kMost = 64;
  static constexpr size_t kWorthWaking = 8;

  std::deque<Waiting> waiting_;
  unsigned underWay_ = 0;
  FileFault fault_;
};

}  // namespace gantry
