#include "in-root.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "system-calls.h"
#include "text-buffer.h"

namespace gantry {
namespace {

constexpr int kMaxLinks = 40;
constexpr int kMaxRetries = 64;

using Path = TextBuffer<PATH_MAX - 1>;

// RESOLVE_IN_ROOT answers EAGAIN when something is renamed elsewhere at the same moment.
int Resolve(int root, const char* path, uint64_t resolve) {
  for (int i = 0;; i++) {
    int fd = OpenAt2(root, path, O_PATH | O_CLOEXEC, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve);
    if (fd >= 0 || errno != EAGAIN || i == kMaxRetries) return fd;
  }
}

// Makes one entry of a folder. EEXIST is left to the caller.
bool Make(int parent, const char* name, Kind kind) {
  if (kind == Kind::kFolder) return mkdirat(parent, name, 0755) == 0;
  return Fd(openat(parent, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644)).valid();
}

// Replaces the component at [start, stop) of `path`, a link to `target`, by what it points to.
bool FollowLink(Path* path, size_t start, size_t stop, const char* target, size_t targetSize) {
  Path next;
  if (target[0] != '/') next.Add(path->c_str(), start);
  next.Add(target, targetSize).Add(path->c_str() + stop);
  *path = next;
  return !next.full();
}

}  // namespace

Result OpenInRoot(int root, const char* path, uint64_t resolve, Fd* out) {
  *out = Fd(Resolve(root, path, resolve));
  return out->valid() ? kOk : CallFailure("openat2", path);
}

Result OpenOrCreateInRoot(int root, const char* wanted, Kind kind, Fd* out) {
  Result found = OpenInRoot(root, wanted, 0, out);
  if (found.error != ENOENT) return found;

  Path path;
  if (path.Add(wanted).full()) return Failure(ENAMETOOLONG, "openat2", wanted);
  Fd parent;
  size_t stop = 0;
  for (int links = 0, retries = 0;;) {
    if (stop == 0 && !OpenInRoot(root, ".", 0, &parent).ok()) return CallFailure("openat2", wanted);
    size_t start = stop + strspn(path.c_str() + stop, "/");
    if (start == path.size()) break;
    stop = start + strcspn(path.c_str() + start, "/");
    bool last = path.c_str()[stop + strspn(path.c_str() + stop, "/")] == 0;

    Path prefix;
    prefix.Add(path.c_str(), stop);
    Fd next(Resolve(root, prefix.c_str(), 0));
    if (next.valid()) {
      parent = static_cast<Fd&&>(next);
      continue;
    }
    if (errno != ENOENT) return CallFailure("openat2", wanted);

    const char* name = prefix.c_str() + start;
    if (Make(parent.get(), name, last ? kind : Kind::kFolder)) {
      next = Fd(OpenAt2(parent.get(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS));
      if (!next.valid()) return CallFailure("openat2", wanted);
      parent = static_cast<Fd&&>(next);
      continue;
    }
    if (errno != EEXIST) return CallFailure(last && kind == Kind::kFile ? "open" : "mkdir", wanted);

    // Absent for the kernel, yet there: a dangling link, or another made it just now.
    char target[PATH_MAX];
    ssize_t size = readlinkat(parent.get(), name, target, sizeof target);
    if (size < 0 && ++retries > kMaxRetries) return CallFailure("readlink", wanted);
    if (size >= 0) {
      if (++links > kMaxLinks) return Failure(ELOOP, "readlink", wanted);
      if (!FollowLink(&path, start, stop, target, static_cast<size_t>(size))) {
        return Failure(ENAMETOOLONG, "readlink", wanted);
      }
    }
    stop = 0;
  }
  *out = static_cast<Fd&&>(parent);
  return kOk;
}

Result OpenParentInRoot(int root, const char* path, Fd* parent, const char** name) {
  const char* slash = strrchr(path, '/');
  *name = slash == nullptr ? path : slash + 1;
  if (**name == 0 || strcmp(*name, ".") == 0 || strcmp(*name, "..") == 0) return Failure(EINVAL, "path", path);
  Path folder;
  folder.Add("/").Add(path, static_cast<size_t>(*name - path));
  if (folder.full()) return Failure(ENAMETOOLONG, "path", path);
  Result result = OpenOrCreateInRoot(root, folder.c_str(), Kind::kFolder, parent);
  result.path = path;
  return result;
}

}  // namespace gantry
