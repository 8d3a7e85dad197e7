#include "exit-record.h"

#include <fcntl.h>
#include <stdio.h>

#include "fd.h"
#include "protocol.generated.h"
#include "text-buffer.h"

namespace gantry {
namespace {

constexpr char kTemporaryFile[] = "exit.new";

const char* NameOf(Ending ending) {
  if (ending == Ending::kFailed) return "failed";
  return ending == Ending::kSignaled ? "signaled" : "exited";
}

Result WriteWhole(const char* text, size_t size) {
  Fd file(open(kTemporaryFile, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file.valid()) return CallFailure("open", kTemporaryFile);
  ssize_t written = write(file.get(), text, size);
  if (written < 0) return CallFailure("write", kTemporaryFile);
  if (static_cast<size_t>(written) != size) return Failure(ENOSPC, "write", kTemporaryFile);
  return fsync(file.get()) == 0 ? kOk : CallFailure("fsync", kTemporaryFile);
}

}  // namespace

Result WriteExitRecord(const ExitRecord& record) {
  TextBuffer<160> text;
  text.Add(NameOf(record.ending)).Add(" ").AddSigned(record.value);
  text.Add("\nat ").AddNumber(record.at);
  text.Add("\nprocess ").AddSigned(record.pid).Add(" ").AddNumber(record.startTime).Add("\n");
  Result result = WriteWhole(text.c_str(), text.size());
  if (result.ok() && rename(kTemporaryFile, kExitRecordFile) != 0) result = CallFailure("rename", kExitRecordFile);
  if (!result.ok()) {
    unlink(kTemporaryFile);
    return result;
  }
  Fd folder(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder.valid() && fsync(folder.get()) == 0 ? kOk : CallFailure("fsync", ".");
}

}  // namespace gantry
