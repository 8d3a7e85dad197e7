#include "file-queue.h"

namespace gantry {

using filesystem::Result;

Result Finish(const NewFile& file) {
  const Result result = filesystem::WriteAll(file.fd.get(), file.body, 0);
  return result.ok() ? filesystem::ApplyMetadata(file.fd.get(), file.metadata) : result;
}

bool FileQueue::Add(NewFile& file, uint64_t piece) {
  if (waiting_.size() >= kMost) return false;
  waiting_.push_back({std::move(file), piece});
  return true;
}

bool FileQueue::Take(Waiting& out) {
  if (waiting_.empty()) return false;
  out = std::move(waiting_.front());
  waiting_.pop_front();
  underWay_++;
  return true;
}

void FileQueue::Done(const Waiting& file, const Result& result) {
  underWay_--;
  if (!result.ok() && fault_.error == 0) fault_ = {result.error, result.syscall, file.file.path};
}

}  // namespace gantry
