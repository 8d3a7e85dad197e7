// Copying the merged view of stacked layers into a folder, for a bounded time a call, so that it can be given up in
// between. Plain functions on descriptors, without N-API.
#pragma once

#include <map>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "filesystem.h"

namespace gantry::filesystem {

struct CopyProgress {
  bool done = false;
  uint64_t entries = 0;
  // Of regular files, holes included.
  uint64_t bytes = 0;
  // Files that share their blocks with the layer's.
  uint64_t cloned = 0;
};

class TreeCopier {
 public:
  // `layers` are lowest first, in overlayfs form, and do not change meanwhile. `opaque` is the name of the attribute
  // that marks opaque folders. The target is an empty folder that nobody else uses.
  TreeCopier(std::vector<std::string> layers, std::string target, std::string opaque);

  // Goes on for some milliseconds. After a failure there is no going on.
  Result Step();

  const CopyProgress& progress() const { return progress_; }
  // The path, in the layers and the copy, of what was worked on last.
  std::string At() const { return name_.empty() ? folder_.path : Below(folder_.path, name_); }

 private:
  using Layer = uint32_t;

  // A folder of the merged view: the layers that have a part in it, topmost first.
  struct Folder {
    std::string path;
    std::vector<Layer> layers;
  };

  struct Child {
    std::vector<Layer> layers;
    // Whether layers further down show through.
    bool open = true;
  };

  // An entry's metadata, and the storage behind its attributes.
  struct Attributes {
    Metadata metadata;
    std::vector<std::string> values;
  };

  struct OpenFile {
    Fd from;
    Fd to;
    struct stat status;
    Attributes attributes;
    off_t offset = 0;
    // Up to here there is no hole.
    off_t dataEnd = 0;
  };

  static std::string Below(const std::string& folder, const std::string& name);

  Result Advance();
  Result BeginFolder(Folder folder);
  Result EndFolder();
  Result OpenSource();
  Result CopyEntry();
  Result TakeFolder(bool isNew);
  Result CopyNode(const struct stat& status);
  Result LinkTwin(const struct stat& status, bool& linked);
  Result BeginFile(const struct stat& status);
  Result ContinueFile();
  Result EndFile();
  void MoveTo(off_t offset);
  Result CopyBytes(size_t count, ssize_t& copied);
  Result ReadAttributes(const std::string& path, const struct stat& status, Attributes& out);
  std::string SourcePath() const;

  const std::vector<std::string> layers_;
  const std::string target_;
  const std::string opaque_;
  CopyProgress progress_;
  bool begun_ = false;
  bool canClone_ = true;
  bool canCopyRange_ = true;

  std::vector<Folder> pending_;
  // The folder in hand, its copy, and its part in the layer in hand.
  Folder folder_;
  Fd into_;
  Attributes folderAttributes_;
  size_t source_ = 0;
  Fd from_;
  std::vector<std::string> names_;
  size_t next_ = 0;
  std::string name_;
  // What upper layers have under this folder, and which of it are folders.
  std::unordered_set<std::string> seen_;
  std::unordered_map<std::string, Child> children_;

  bool isCopying_ = false;
  OpenFile file_;
  Fd root_;
  // Where the first of the names of an inode was copied to.
  std::map<std::tuple<Layer, dev_t, ino_t>, std::string> twins_;
  std::vector<char> buffer_;
};

}  // namespace gantry::filesystem
