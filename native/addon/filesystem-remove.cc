// Removing trees of any depth with two open folders: a nested folder that is not empty is moved up to the top first.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include <memory>

#include "filesystem.h"

namespace gantry::filesystem {

namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

Result OpenForReading(int parent, const char* name, Folder& out) {
  Fd fd(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return Failed("openat");
  DIR* folder = fdopendir(fd.get());
  if (!folder) return Failed("fdopendir");
  fd.release();
  out.reset(folder);
  return {};
}

// What another removes meanwhile is as good as removed.
Result UnlessGone(Result result) { return result.error == ENOENT ? Result{} : result; }

bool IsNotEmpty(int error) { return error == ENOTEMPTY || error == EEXIST; }

// Removes a name unless it is a folder with something in it: then ENOTEMPTY.
Result RemoveShallow(int parent, const char* name) {
  if (unlinkat(parent, name, 0) == 0) return {};
  if (errno != EISDIR && errno != EPERM) return Failed("unlinkat");
  const Result asFile = Failed("unlinkat");
  if (unlinkat(parent, name, AT_REMOVEDIR) == 0) return {};
  if (errno == ENOTDIR) return asFile;
  return IsNotEmpty(errno) ? Result{ENOTEMPTY, "unlinkat"} : Failed("unlinkat");
}

// Calls `visit` with each name in the folder, from its start; `count` becomes how many there were.
template <typename Visit>
Result ForEach(DIR* folder, size_t& count, Visit visit) {
  count = 0;
  rewinddir(folder);
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(folder);
    if (!entry) return errno == 0 ? Result{} : Failed("readdir");
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    count++;
    Result result = visit(entry->d_name);
    if (!result.ok()) return result;
  }
}

class TreeRemover {
 public:
  explicit TreeRemover(DIR* top) : top_(top) {}

  // Empties the top folder. A pass may miss names that it moves up itself, so passes go on until one finds none.
  Result Empty() {
    for (;;) {
      size_t count = 0;
      Result result = ForEach(top_, count, [this](const char* name) { return UnlessGone(RemoveEntry(name)); });
      if (!result.ok() || count == 0) return result;
    }
  }

 private:
  Result RemoveEntry(const char* name) {
    Result result = RemoveShallow(dirfd(top_), name);
    if (result.error != ENOTEMPTY) return result;
    Folder folder;
    result = OpenForReading(dirfd(top_), name, folder);
    size_t count = 1;
    while (result.ok() && count > 0) {
      result = ForEach(folder.get(), count, [this, &folder](const char* child) {
        Result removed = RemoveShallow(dirfd(folder.get()), child);
        return UnlessGone(removed.error == ENOTEMPTY ? MoveUp(dirfd(folder.get()), child) : removed);
      });
    }
    return result.ok() ? RemoveShallow(dirfd(top_), name) : result;
  }

  Result MoveUp(int parent, const char* name) {
    char moved[32];
    for (;;) {
      snprintf(moved, sizeof moved, ".removing-%llu", next_++);
      if (renameat2(parent, name, dirfd(top_), moved, RENAME_NOREPLACE) == 0) return {};
      if (errno != EEXIST) return Failed("renameat2");
    }
  }

  DIR* top_;
  unsigned long long next_ = 0;
};

}  // namespace

Result Remove(int parent, const char* name) {
  Result result = RemoveShallow(parent, name);
  if (result.error != ENOTEMPTY) return result;
  Folder top;
  result = OpenForReading(parent, name, top);
  if (result.ok()) result = TreeRemover(top.get()).Empty();
  return result.ok() ? RemoveShallow(parent, name) : result;
}

Result RemoveEntry(int parent, const char* name) {
  open_how how = {};
  how.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV;
  const Fd entry(static_cast<int>(syscall(SYS_openat2, parent, name, &how, sizeof how)));
  if (!entry.valid()) return errno == EXDEV ? Result{EBUSY, "unlinkat"} : Failed("openat2");
  return RemoveShallow(parent, name);
}

}  // namespace gantry::filesystem
