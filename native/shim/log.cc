#include "log.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "clock.h"
#include "protocol.generated.h"
#include "text-buffer.h"

namespace gantry {
namespace {

constexpr uint32_t kMaxFiles = 1000;
using Name = TextBuffer<32>;

Name RotatedName(uint32_t number) {
  Name name;
  name.Add(kLogFile);
  if (number > 0) name.Add(".").AddNumber(number);
  return name;
}

// 2016-10-06T00:17:09.669794202Z
void AddTime(TextBuffer<48>* out, const timespec& time) {
  int64_t days = time.tv_sec / 86400;
  int64_t seconds = time.tv_sec % 86400;
  // Years that begin in March have their leap day at the end; day 0 is then 0000-03-01, in eras of 400 years.
  int64_t shifted = days + 719468;
  int64_t era = shifted / 146097;
  int64_t dayOfEra = shifted % 146097;
  int64_t yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365;
  int64_t dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  int64_t monthFromMarch = (5 * dayOfYear + 2) / 153;
  int64_t day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1;
  int64_t month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  int64_t year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0);
  auto number = [out](int64_t value, int width) { out->AddNumber(static_cast<uint64_t>(value), width); };
  number(year, 4), out->Add("-"), number(month, 2), out->Add("-"), number(day, 2), out->Add("T");
  number(seconds / 3600, 2), out->Add(":"), number(seconds / 60 % 60, 2), out->Add(":"), number(seconds % 60, 2);
  out->Add("."), number(time.tv_nsec, 9), out->Add("Z");
}

}  // namespace

Result Log::Open(uint64_t maxBytes, uint32_t maxFiles) {
  if (maxBytes > 0 && (maxFiles == 0 || maxFiles > kMaxFiles)) return Failure(EINVAL, "logMaxFiles");
  maxBytes_ = maxBytes;
  maxFiles_ = maxFiles;
  file_ = Fd(open(kLogFile, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  struct stat info;
  if (!file_.valid() || fstat(file_.get(), &info) != 0) return CallFailure("open", kLogFile);
  fileSize_ = static_cast<uint64_t>(info.st_size);
  return kOk;
}

bool Log::Copy(int pipe, const char* stream) {
  ssize_t size = CopyOnce(pipe, stream);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  Flush();
  return size > 0;
}

void Log::Drain(int pipe, const char* stream) {
  int left = 0;
  if (ioctl(pipe, FIONREAD, &left) != 0) return;
  while (left > 0) {
    ssize_t size = CopyOnce(pipe, stream);
    if (size <= 0) break;
    left -= static_cast<int>(size);
  }
  Flush();
}

ssize_t Log::CopyOnce(int pipe, const char* stream) {
  ssize_t size = read(pipe, input_, sizeof input_);
  if (size <= 0) return size;
  TextBuffer<48> head;
  AddTime(&head, Now());
  head.Add(" ").Add(stream).Add(" ");
  headSize_ = head.size();
  memcpy(head_, head.c_str(), headSize_);
  for (const char* next = input_; next < input_ + size;) {
    size_t left = static_cast<size_t>(input_ + size - next);
    const void* end = memchr(next, '\n', left);
    size_t line = end == nullptr ? left : static_cast<size_t>(static_cast<const char*>(end) - next);
    AddEntry(next, line, end != nullptr);
    next += line + 1;
  }
  return size;
}

void Log::AddEntry(const char* text, size_t size, bool whole) {
  size_t entry = headSize_ + 2 + size + 1;
  if (outputSize_ + entry > sizeof output_) Flush();
  if (maxBytes_ > 0 && fileSize_ + outputSize_ > 0 && fileSize_ + outputSize_ + entry > maxBytes_) {
    Flush();
    Rotate();
  }
  char* out = output_ + outputSize_;
  memcpy(out, head_, headSize_);
  memcpy(out + headSize_, whole ? "F " : "P ", 2);
  memcpy(out + headSize_ + 2, text, size);
  out[entry - 1] = '\n';
  outputSize_ += entry;
}

void Log::Flush() {
  if (!file_.valid()) Rotate();
  size_t done = 0;
  while (file_.valid() && done < outputSize_) {
    ssize_t written = write(file_.get(), output_ + done, outputSize_ - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  bool torn = done > 0 && done < outputSize_;
  // Half an entry would spoil the next one. If even that cannot be undone, the rest of the file is lost anyway.
  if (torn && ftruncate(file_.get(), static_cast<off_t>(fileSize_)) == 0) done = 0;
  fileSize_ += done;
  outputSize_ = 0;
}

// Also opens the file again after a rotation that could not.
void Log::Rotate() {
  if (file_.valid()) {
    unlink(RotatedName(maxFiles_ - 1).c_str());
    for (uint32_t number = maxFiles_ - 1; number > 0; number--) {
      rename(RotatedName(number - 1).c_str(), RotatedName(number).c_str());
    }
  }
  file_ = Fd(open(kLogFile, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  fileSize_ = 0;
}

void Log::Remove() {
  if (file_.valid()) unlink(kLogFile);
  file_.Close();
}

}  // namespace gantry
