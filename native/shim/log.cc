#include "log.h"

#include <string.h>
#include <sys/ioctl.h>

#include "clock.h"
#include "json-text.h"
#include "protocol.generated.h"
#include "text-buffer.h"

namespace gantry {
namespace {

// What a terminal holds at most, several times over.
constexpr int kMostOfTerminal = 64;

const char* NameOf(LogStream stream) { return stream == LogStream::kOutput ? "stdout" : "stderr"; }

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

Result Log::Open(LogFormat format, uint64_t maxBytes, uint32_t maxFiles) {
  if (format > LogFormat::kPlain) return Failure(EINVAL, "logFormat");
  format_ = format;
  if (format != LogFormat::kPlain) return files_[0].Open(kLogFile, maxBytes, maxFiles);
  if (Result result = files_[0].Open(kOutputFile, maxBytes, maxFiles); !result.ok()) return result;
  return files_[1].Open(kErrorsFile, maxBytes, maxFiles);
}

bool Log::Copy(int source, LogStream stream) {
  ssize_t size = CopyOnce(source, stream);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  Flush();
  return size > 0;
}

void Log::Drain(int pipe, LogStream stream) {
  int left = 0;
  if (ioctl(pipe, FIONREAD, &left) != 0) return;
  while (left > 0) {
    ssize_t size = CopyOnce(pipe, stream);
    if (size <= 0) break;
    left -= static_cast<int>(size);
  }
  Flush();
}

void Log::DrainTerminal(int terminal) {
  for (int round = 0; round < kMostOfTerminal && CopyOnce(terminal, LogStream::kOutput) > 0; round++) {
  }
  Flush();
}

ssize_t Log::CopyOnce(int source, LogStream stream) {
  ssize_t size = read(source, input_, sizeof input_);
  if (size <= 0) return size;
  if (current_ != nullptr && current_ != &FileOf(stream)) Flush();
  current_ = &FileOf(stream);
  if (format_ == LogFormat::kPlain) {
    if (current_->Full(0, static_cast<uint64_t>(size))) current_->Rotate();
    current_->Write(input_, static_cast<size_t>(size));
    return size;
  }
  TextBuffer<2 * kHead - 1> head;
  TextBuffer<48> time;
  AddTime(&time, Now());
  if (format_ == LogFormat::kCri) {
    head.Add(time.c_str()).Add(" ").Add(NameOf(stream)).Add(" ");
  } else {
    head.Add("\",\"stream\":\"").Add(NameOf(stream)).Add("\",\"time\":\"").Add(time.c_str()).Add("\"}\n");
  }
  headSize_ = head.size();
  memcpy(head_, head.c_str(), headSize_);
  for (const char* next = input_; next < input_ + size;) {
    size_t left = static_cast<size_t>(input_ + size - next);
    const void* end = memchr(next, '\n', left);
    size_t line = end == nullptr ? left : static_cast<size_t>(static_cast<const char*>(end) - next);
    if (format_ == LogFormat::kCri) {
      AddCri(next, line, end != nullptr);
    } else {
      AddJson(next, end == nullptr ? line : line + 1);
    }
    next += line + 1;
  }
  return size;
}

void Log::Reserve(size_t entry) {
  if (outputSize_ + entry > sizeof output_) Flush();
  if (!current_->Full(outputSize_, entry)) return;
  Flush();
  current_->Rotate();
}

void Log::AddCri(const char* text, size_t size, bool whole) {
  size_t entry = headSize_ + 2 + size + 1;
  Reserve(entry);
  char* out = output_ + outputSize_;
  memcpy(out, head_, headSize_);
  memcpy(out + headSize_, whole ? "F " : "P ", 2);
  memcpy(out + headSize_ + 2, text, size);
  out[entry - 1] = '\n';
  outputSize_ += entry;
}

void Log::AddJson(const char* text, size_t size) {
  constexpr char kText[] = "{\"log\":\"";
  constexpr char kBytes[] = "{\"base64\":\"";
  while (size > 0) {
    size_t piece = WholeCharacters(text, size, kJsonPiece);
    bool isText = IsUtf8(text, piece);
    char entry[sizeof kBytes + 6 * kJsonPiece + sizeof head_];
    size_t intro = isText ? sizeof kText - 1 : sizeof kBytes - 1;
    memcpy(entry, isText ? kText : kBytes, intro);
    char* end = isText ? WriteJson(entry + intro, text, piece) : WriteBase64(entry + intro, text, piece);
    memcpy(end, head_, headSize_);
    end += headSize_;
    size_t length = static_cast<size_t>(end - entry);
    Reserve(length);
    memcpy(output_ + outputSize_, entry, length);
    outputSize_ += length;
    text += piece;
    size -= piece;
  }
}

void Log::Flush() {
  if (outputSize_ > 0) current_->Write(output_, outputSize_);
  outputSize_ = 0;
}

void Log::Remove() {
  for (LogFile& file : files_) file.Remove();
}

}  // namespace gantry
