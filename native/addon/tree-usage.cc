// How much of a disk trees take: blocks, so that holes count for nothing, and each file once however many names it has.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <unordered_set>
#include <vector>

#include "task.h"

namespace gantry {

namespace {

constexpr uint64_t kBlock = 512;
// A folder more is a descriptor more. What a path can name is no deeper.
constexpr size_t kMaxDepth = 2048;

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

class UsageTask final : public Task {
 public:
  UsageTask(Napi::Env env, std::vector<std::string> roots) : Task(env), roots_(std::move(roots)) {}

 private:
  void Run() final {
    for (const std::string& root : roots_) {
      if (!Measure(root)) return;
    }
  }

  Napi::Value Result(Napi::Env env) final {
    Napi::Object result = Napi::Object::New(env);
    result.Set("bytes", Napi::Number::New(env, static_cast<double>(blocks_ * kBlock)));
    result.Set("entries", Napi::Number::New(env, static_cast<double>(entries_)));
    return result;
  }

  // Goes down one open folder at a time, never through a link or onto another file system. What goes away meanwhile is
  // not counted.
  bool Measure(const std::string& root) {
    Fd fd(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid()) return Fail(errno, "open", root), false;
    struct stat status;
    if (fstat(fd.get(), &status) != 0) return Fail(errno, "fstat", root), false;
    const dev_t device = status.st_dev;
    Count(status);
    std::vector<Folder> open;
    if (!Enter(std::move(fd), open, root)) return false;
    while (!open.empty()) {
      errno = 0;
      const dirent* entry = readdir(open.back().get());
      if (!entry) {
        if (errno != 0 && errno != ENOENT) return Fail(errno, "readdir", root), false;
        open.pop_back();
        continue;
      }
      const std::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      const int above = dirfd(open.back().get());
      if (fstatat(above, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;
        return Fail(errno, "fstatat", root), false;
      }
      if (status.st_dev != device) continue;
      Count(status);
      if (!S_ISDIR(status.st_mode)) continue;
      if (open.size() >= kMaxDepth) return Fail(ENAMETOOLONG, "openat", root), false;
      Fd below(openat(above, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!below.valid()) {
        if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) continue;
        return Fail(errno, "openat", root), false;
      }
      if (!Enter(std::move(below), open, root)) return false;
    }
    return true;
  }

  bool Enter(Fd fd, std::vector<Folder>& open, const std::string& root) {
    Folder folder(fdopendir(fd.get()));
    if (!folder) return Fail(errno, "fdopendir", root), false;
    fd.release();
    open.push_back(std::move(folder));
    return true;
  }

  // All roots are of one file system, so the number of an inode tells it.
  void Count(const struct stat& status) {
    if (!S_ISDIR(status.st_mode) && status.st_nlink > 1 && !linked_.insert(status.st_ino).second) return;
    blocks_ += static_cast<uint64_t>(status.st_blocks);
    entries_++;
  }

  std::vector<std::string> roots_;
  std::unordered_set<ino_t> linked_;
  uint64_t blocks_ = 0;
  uint64_t entries_ = 0;
};

Napi::Value TreeUsage(const Napi::CallbackInfo& info) {
  const Napi::Array list = info[0].As<Napi::Array>();
  std::vector<std::string> roots;
  for (uint32_t i = 0; i < list.Length(); i++) roots.push_back(Napi::Value(list[i]).ToString().Utf8Value());
  return (new UsageTask(info.Env(), std::move(roots)))->Start();
}

}  // namespace

void InitTreeUsage(Napi::Env env, Napi::Object exports) {
  exports.Set("treeUsage", Napi::Function::New(env, TreeUsage));
}

}  // namespace gantry
