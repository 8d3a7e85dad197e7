// Finding an entry's folder without ever leaving the root.
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "filesystem.h"

namespace gantry::filesystem {

namespace {

// The kernel answers EAGAIN while something on the machine is renamed and the path has a `..` (in a link's target).
constexpr int kMaxAttempts = 1000;

constexpr mode_t kMadeFolderMode = 0755;

// The next folder on the way to a missing parent: the one that is there, through links too, or a new one.
Result StepInto(int root, int at, const std::string& prefix, const char* name, Fd& out, uint32_t& made) {
  int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0) {
    out = Fd(fd);
    return {};
  }
  if (errno != ENOENT && errno != ENOTDIR) return Failed("openat");
  if (errno == ENOTDIR) {
    const Result followed = OpenInRoot(root, prefix, O_PATH | O_DIRECTORY, out);
    if (followed.error != ENOENT && followed.error != ENOTDIR) return followed;
  }

  Result result = MakeFolder(at, name);
  if (result.error == EEXIST) return {ENOTDIR, "openat2"};
  if (!result.ok()) return result;
  fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return Failed("openat");
  out = Fd(fd);
  made++;
  Metadata metadata;
  if (fchown(fd, metadata.uid, metadata.gid) < 0) return Failed("fchown");
  if (fchmod(fd, kMadeFolderMode) < 0) return Failed("fchmod");
  return {};
}

Result MakeParents(int root, const std::string& path, Fd& out, uint32_t& made) {
  Fd current;
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = path.find('/', begin);
    if (end == std::string::npos) end = path.size();
    const std::string name = path.substr(begin, end - begin);
    Fd next;
    const int at = current.valid() ? current.get() : root;
    Result result = StepInto(root, at, path.substr(0, end), name.c_str(), next, made);
    if (!result.ok()) return result;
    current = std::move(next);
    begin = end + 1;
  }
  out = std::move(current);
  return {};
}

}  // namespace

Result Failed(const char* syscall) { return {errno, syscall}; }

bool IsWhiteout(const struct stat& status) { return S_ISCHR(status.st_mode) && status.st_rdev == makedev(0, 0); }

Result CheckPath(const std::string& path) {
  const Result invalid = {EINVAL, "openat2"};
  if (path.find('\0') != std::string::npos) return invalid;
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = path.find('/', begin);
    if (end == std::string::npos) end = path.size();
    const size_t length = end - begin;
    if (length == 0) return invalid;
    if (length <= 2 && path.compare(begin, length, "..", length) == 0) return invalid;
    begin = end + 1;
  }
  return {};
}

Result OpenInRoot(int root, const std::string& path, uint64_t flags, Fd& out, mode_t mode) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0; attempt < kMaxAttempts; attempt++) {
    const long fd = syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    if (fd >= 0) {
      out = Fd(static_cast<int>(fd));
      return {};
    }
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return Failed("openat2");
}

Result Resolve(int root, const std::string& path, Parents parents, Place& out) {
  Result result = CheckPath(path);
  if (!result.ok()) return result;
  out.root = root;
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    out.name = path;
    return {};
  }
  out.name = path.substr(slash + 1);
  const std::string folder = path.substr(0, slash);
  result = OpenInRoot(root, folder, O_PATH | O_DIRECTORY, out.folder);
  // ENOTDIR too: a whiteout on the way gives place to a folder.
  if (parents == Parents::kMake && (result.error == ENOENT || result.error == ENOTDIR)) {
    result = MakeParents(root, folder, out.folder, out.made);
  }
  return result;
}

}  // namespace gantry::filesystem
