// System calls and constants that the C library of the build machine may lack.
#pragma once

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gantry {

inline int OpenAt2(int folder, const char* path, uint64_t flags, uint64_t resolve) {
  open_how how{};
  how.flags = flags;
  how.resolve = resolve;
  return static_cast<int>(syscall(SYS_openat2, folder, path, &how, sizeof how));
}

inline int FsOpen(const char* type) { return static_cast<int>(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)); }

inline int FsConfig(int fs, fsconfig_command command, const char* key, const char* value) {
  return static_cast<int>(syscall(SYS_fsconfig, fs, command, key, value, 0));
}

inline int FsMount(int fs, uint64_t attributes) {
  return static_cast<int>(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attributes));
}

inline int OpenTree(int folder, const char* path, unsigned flags) {
  return static_cast<int>(syscall(SYS_open_tree, folder, path, flags | OPEN_TREE_CLOEXEC));
}

// Moves the mount behind one descriptor onto the file or folder behind another.
inline int MoveMount(int mount, int target) {
  return static_cast<int>(
      syscall(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

inline int MountSetAttributes(int mount, unsigned flags, mount_attr* attributes) {
  return static_cast<int>(syscall(SYS_mount_setattr, mount, "", flags, attributes, sizeof *attributes));
}

inline int PivotRoot(const char* newRoot, const char* oldRoot) {
  return static_cast<int>(syscall(SYS_pivot_root, newRoot, oldRoot));
}

inline int CloseRange(unsigned first, unsigned last, unsigned flags) {
  return static_cast<int>(syscall(SYS_close_range, first, last, flags));
}

inline int PidfdSendSignal(int pidfd, int signal) {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0));
}

}  // namespace gantry
