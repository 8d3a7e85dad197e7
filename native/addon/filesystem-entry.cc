// Making entries: each call resolves its folder anew, then acts on the last component without following it.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "filesystem.h"

namespace gantry::filesystem {

namespace {

Result Clear(const Root& root, const Place& place) {
  const char* name = place.name.c_str();
  return root.in_the_way == InTheWay::kRemoveTree ? Remove(place.parent(), name) : RemoveEntry(place.parent(), name);
}

// Calls `make`, which gives -1 and errno on failure; what stands in its way is removed and it is called once more.
template <typename Make>
int Replacing(const Root& root, const Place& place, Result& removed, Make make) {
  const int first = make();
  if (first >= 0 || errno != EEXIST) return first;
  removed = Clear(root, place);
  if (!removed.ok()) return -1;
  return make();
}

Result OpenFolder(const Place& place, Fd& out) {
  const int fd = openat(place.parent(), place.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return Failed("openat");
  out = Fd(fd);
  return {};
}

// Takes or makes the folder at a place, removing anything else that has its name.
Result EnsureFolder(const Root& root, const Place& place, Fd& out) {
  Result result = MakeFolder(place.parent(), place.name.c_str());
  if (result.error == EEXIST) {
    result = Clear(root, place);
    if (result.ok()) result = MakeFolder(place.parent(), place.name.c_str());
  }
  return result.ok() ? OpenFolder(place, out) : result;
}

}  // namespace

Result MakeFolder(int parent, const char* name) {
  if (mkdirat(parent, name, 0700) == 0) return {};
  if (errno != EEXIST) return Failed("mkdirat");
  struct stat status;
  if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0) return Failed("fstatat");
  if (S_ISDIR(status.st_mode)) return {};
  if (!IsWhiteout(status)) return {EEXIST, "mkdirat"};
  if (unlinkat(parent, name, 0) < 0) return Failed("unlinkat");
  if (mkdirat(parent, name, 0700) < 0) return Failed("mkdirat");
  const int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return Failed("openat");
  const Fd folder(fd);
  return MarkOpaque(folder.get());
}

Result CreateFolder(const Root& root, const std::string& path, const Metadata& metadata, uint32_t& made) {
  if (path.empty()) return ApplyMetadata(root.fd, metadata);
  Place place;
  Result result = Resolve(root.fd, path, Parents::kMake, place);
  made = place.made;
  if (!result.ok()) return result;
  Fd folder;
  result = EnsureFolder(root, place, folder);
  return result.ok() ? ApplyMetadata(folder.get(), metadata) : result;
}

Result CreateFile(const Root& root, const std::string& path, mode_t mode, Fd& out, uint32_t& made) {
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  Result result = CheckPath(path);
  if (!result.ok()) return result;
  // One call does for most files; the rest need their folders made, or their place cleared.
  if (OpenInRoot(root.fd, path, flags, out, mode).ok()) return {};
  Place place;
  result = Resolve(root.fd, path, Parents::kMake, place);
  made = place.made;
  if (!result.ok()) return result;
  const int fd = Replacing(root, place, result, [&] { return openat(place.parent(), place.name.c_str(), flags, mode); });
  if (fd < 0) return result.ok() ? Failed("openat") : result;
  out = Fd(fd);
  return {};
}

Result CreateSymlink(const Root& root, const std::string& path, const char* target, const Metadata& metadata,
                     uint32_t& made) {
  Place place;
  Result result = Resolve(root.fd, path, Parents::kMake, place);
  made = place.made;
  if (!result.ok()) return result;
  const int status =
      Replacing(root, place, result, [&] { return symlinkat(target, place.parent(), place.name.c_str()); });
  if (status < 0) return result.ok() ? Failed("symlinkat") : result;
  return ApplyMetadataAt(place, metadata);
}

Result CreateNode(const Root& root, const std::string& path, mode_t type, dev_t device, const Metadata& metadata,
                  uint32_t& made) {
  if (type == S_IFCHR && device == makedev(0, 0)) return {EINVAL, "mknodat"};
  Place place;
  Result result = Resolve(root.fd, path, Parents::kMake, place);
  made = place.made;
  if (!result.ok()) return result;
  const int status =
      Replacing(root, place, result, [&] { return mknodat(place.parent(), place.name.c_str(), type | 0600, device); });
  if (status < 0) return result.ok() ? Failed("mknodat") : result;
  return ApplyMetadataAt(place, metadata);
}

Result CreateHardLink(const Root& root, const std::string& path, const std::string& target, uint32_t& made) {
  Place source;
  Result result = Resolve(root.fd, target, Parents::kMustExist, source);
  if (!result.ok()) return result;
  struct stat wanted;
  if (fstatat(source.parent(), source.name.c_str(), &wanted, AT_SYMLINK_NOFOLLOW) < 0) return Failed("fstatat");
  if (S_ISDIR(wanted.st_mode)) return {EISDIR, "linkat"};
  if (IsWhiteout(wanted)) return {ENOENT, "linkat"};

  Place place;
  result = Resolve(root.fd, path, Parents::kMake, place);
  made = place.made;
  if (!result.ok()) return result;
  struct stat present;
  if (fstatat(place.parent(), place.name.c_str(), &present, AT_SYMLINK_NOFOLLOW) == 0) {
    if (present.st_dev == wanted.st_dev && present.st_ino == wanted.st_ino) return {};
  } else if (errno != ENOENT) {
    return Failed("fstatat");
  }
  const int status = Replacing(root, place, result, [&] {
    return linkat(source.parent(), source.name.c_str(), place.parent(), place.name.c_str(), 0);
  });
  if (status < 0) return result.ok() ? Failed("linkat") : result;
  return {};
}

Result CreateWhiteout(int root, const std::string& path, uint32_t& made) {
  Place place;
  Result result = Resolve(root, path, Parents::kMake, place);
  made = place.made;
  if (!result.ok()) return result;
  if (mknodat(place.parent(), place.name.c_str(), S_IFCHR, makedev(0, 0)) == 0) return {};
  if (errno != EEXIST) return Failed("mknodat");
  Fd folder;
  result = OpenFolder(place, folder);
  // Not a folder: an entry of this layer, which hides the name below by itself.
  if (result.error == ENOTDIR || result.error == ELOOP) return {};
  return result.ok() ? MarkOpaque(folder.get()) : result;
}

Result CreateOpaque(int root, const std::string& path, uint32_t& made) {
  if (path.empty()) return MarkOpaque(root);
  // A name below the folder makes it a parent: taken if it is there, through links too, else made.
  Place place;
  Result result = Resolve(root, path + "/opaque", Parents::kMake, place);
  made = place.made;
  if (!result.ok()) return result;
  const int fd = openat(place.parent(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("openat");
  const Fd folder(fd);
  return MarkOpaque(folder.get());
}

Result WriteAll(int fd, Bytes bytes, off_t offset) {
  const char* data = static_cast<const char*>(bytes.data);
  size_t done = 0;
  while (done < bytes.size) {
    const ssize_t written = pwrite(fd, data + done, bytes.size - done, offset + static_cast<off_t>(done));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed("pwrite");
    done += static_cast<size_t>(written);
  }
  return {};
}

}  // namespace gantry::filesystem
