// In-root file system work: plain functions on descriptors, without N-API. Paths are bytes, relative to a root
// descriptor, and never lead out of it; the last component is never followed.
#pragma once

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include <array>
#include <string>
#include <vector>

#include "system.h"

namespace gantry::filesystem {

// What a piece of work came to: the errno and the name of the system call that failed, or errno 0.
struct [[nodiscard]] Result {
  int error = 0;
  const char* syscall = "";
  bool ok() const { return error == 0; }
};

// The Result of the system call that has just failed.
Result Failed(const char* syscall);

struct Bytes {
  const void* data;
  size_t size;
};

struct Xattr {
  std::string name;
  Bytes value;
};

struct Metadata {
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  timespec mtime = {};
  std::vector<Xattr> xattrs;
};

// An entry's folder, pinned by a descriptor, and its name in that folder.
struct Place {
  Fd folder;
  int root = -1;
  std::string name;
  // How many missing folders on the way were made.
  uint32_t made = 0;

  int parent() const { return folder.valid() ? folder.get() : root; }
};

enum class Parents { kMustExist, kMake };

// What becomes of an entry in the way of a new one: it is removed with all below it; or, where others use the tree, only if
// nothing else goes with it. Then a folder with something in it is ENOTEMPTY and a mount point EBUSY.
enum class InTheWay { kRemoveTree, kRemoveEntry };

// An open folder below which entries are made.
struct Root {
  int fd = -1;
  InTheWay in_the_way = InTheWay::kRemoveTree;
};

// The permission bits of a mode, and those with which a file can be created before it has its owner.
constexpr mode_t kModeBits = 07777;
constexpr mode_t kPlainModeBits = 0777;

// True for an overlayfs whiteout: the character device 0:0.
bool IsWhiteout(const struct stat& status);

// EINVAL unless the path is `a/b/c`: no empty, `.` or `..` component, no NUL, no slash at either end.
Result CheckPath(const std::string& path);

// openat2 below the root, as if the root were `/` for every symbolic link on the way.
Result OpenInRoot(int root, const std::string& path, uint64_t flags, Fd& out, mode_t mode = 0);

// Finds the place of an entry. Folders that are made are 0755 and root's.
Result Resolve(int root, const std::string& path, Parents parents, Place& out);

// Makes one folder, or takes the one that is there; anything else of that name is EEXIST, but for a whiteout, which
// becomes an opaque folder: what it hid in the layers below stays hidden. The caller sets owner and mode.
Result MakeFolder(int parent, const char* name);

// Owner, extended attributes, mode, times: in the order in which none undoes another. For open files and folders; what is as
// it should be already is left alone.
Result ApplyMetadata(int fd, const Metadata& metadata);

// The same for anything else, which is not opened for it and not followed. A symbolic link has no mode to set.
Result ApplyMetadataAt(const Place& place, const Metadata& metadata);

// Marks an open folder as opaque to the overlay layers below.
Result MarkOpaque(int fd);

// Each of these replaces what is there, as the root allows, but for a folder over a folder, which merges.
Result CreateFolder(const Root& root, const std::string& path, const Metadata& metadata, uint32_t& made);
// Of the mode only what the process's umask leaves is set.
Result CreateFile(const Root& root, const std::string& path, mode_t mode, Fd& out, uint32_t& made);
Result CreateSymlink(const Root& root, const std::string& path, const char* target, const Metadata& metadata,
                     uint32_t& made);
Result CreateNode(const Root& root, const std::string& path, mode_t type, dev_t device, const Metadata& metadata,
                  uint32_t& made);

// Links to an entry below the same root that is neither a folder nor a whiteout. Linking an entry to itself does nothing.
Result CreateHardLink(const Root& root, const std::string& path, const std::string& target, uint32_t& made);

// Hides a name of the layers below. An entry of this layer under that name stays; a folder becomes opaque.
Result CreateWhiteout(int root, const std::string& path, uint32_t& made);

// Makes the folder if it is missing and marks it opaque; an empty path is the root.
Result CreateOpaque(int root, const std::string& path, uint32_t& made);

// Sets the times of folders of a tree in which nothing else is made meanwhile. The parents of the last few stay open: in the order of an
// archive, the next one's is nearly always among them.
class FolderTimes {
 public:
  explicit FolderTimes(int root) : root_(root) {}

  // Does nothing where there is no folder any more.
  Result Set(const std::string& path, const timespec& mtime);

 private:
  struct Parent {
    std::string path;
    Fd fd;
  };

  Result Open(const std::string& path, int& out);

  int root_;
  // By their depth; the last place is for all that are deeper.
  std::array<Parent, 32> parents_;
};

Result WriteAll(int fd, Bytes bytes, off_t offset);

// Removes whatever has this name, however deep. ENOENT if nothing has.
Result Remove(int parent, const char* name);

// Removes what has this name, but a folder only if it is empty (else ENOTEMPTY), and no mount point of the mount
// namespace that the folder is seen in (EBUSY): the kernel guards only those of the caller's own.
Result RemoveEntry(int parent, const char* name);

}  // namespace gantry::filesystem
