#include "log-file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "text-buffer.h"

namespace gantry {
namespace {

constexpr uint32_t kMaxFiles = 1000;
using Name = TextBuffer<32>;

Name RotatedName(const char* name, uint32_t number) {
  Name rotated;
  rotated.Add(name);
  if (number > 0) rotated.Add(".").AddNumber(number);
  return rotated;
}

Fd OpenForAppending(const char* name) {
  return Fd(open(name, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
}

}  // namespace

Result LogFile::Open(const char* name, uint64_t maxBytes, uint32_t maxFiles) {
  if (maxBytes > 0 && (maxFiles == 0 || maxFiles > kMaxFiles)) return Failure(EINVAL, "logMaxFiles");
  name_ = name;
  maxBytes_ = maxBytes;
  maxFiles_ = maxFiles;
  file_ = OpenForAppending(name);
  struct stat info;
  if (!file_.valid() || fstat(file_.get(), &info) != 0) return CallFailure("open", name);
  size_ = static_cast<uint64_t>(info.st_size);
  return kOk;
}

void LogFile::Write(const char* bytes, size_t size) {
  if (!file_.valid()) Rotate();
  size_t done = 0;
  while (file_.valid() && done < size) {
    ssize_t written = write(file_.get(), bytes + done, size - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  bool torn = done > 0 && done < size;
  // Half an entry would spoil the next one. If even that cannot be undone, the rest of the file is lost anyway.
  if (torn && ftruncate(file_.get(), static_cast<off_t>(size_)) == 0) done = 0;
  size_ += done;
}

// Also opens the file again after a rotation that could not.
void LogFile::Rotate() {
  if (file_.valid()) {
    unlink(RotatedName(name_, maxFiles_ - 1).c_str());
    for (uint32_t number = maxFiles_ - 1; number > 0; number--) {
      rename(RotatedName(name_, number - 1).c_str(), RotatedName(name_, number).c_str());
    }
  }
  file_ = OpenForAppending(name_);
  size_ = 0;
}

void LogFile::Remove() {
  if (file_.valid()) unlink(name_);
  file_.Close();
}

}  // namespace gantry
