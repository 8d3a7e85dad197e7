// System calls under their C names. None of the headers that declare them is included: arguments go to the kernel as
// they came, and it takes from each register what the call has, so one shape serves all.
#include <linux/time_types.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "call.h"

using gantry::Call;

namespace {

constexpr long kCurrentFolder = -100;  // AT_FDCWD
constexpr long kSignalSetSize = 8;     // of the kernel's set, the first bytes of the C library's
constexpr long kChildSignal = 17;      // SIGCHLD

struct KernelAction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

}  // namespace

#define SAME(name, call) \
  long name(long a, long b, long c, long d, long e, long f) { return Call(call, a, b, c, d, e, f); }

extern "C" {

int* __errno_location() {
  static int error;
  return &error;
}

SAME(accept4, SYS_accept4)
SAME(bind, SYS_bind)
SAME(chdir, SYS_chdir)
SAME(clock_gettime, SYS_clock_gettime)
SAME(close, SYS_close)
SAME(execve, SYS_execve)
SAME(fchdir, SYS_fchdir)
SAME(fchmod, SYS_fchmod)
SAME(fchown, SYS_fchown)
SAME(fchownat, SYS_fchownat)
SAME(fcntl, SYS_fcntl)
SAME(fstat, SYS_fstat)
SAME(fstatfs, SYS_fstatfs)
SAME(fsync, SYS_fsync)
SAME(ftruncate, SYS_ftruncate)
SAME(geteuid, SYS_geteuid)
SAME(getpid, SYS_getpid)
SAME(getsockopt, SYS_getsockopt)
SAME(ioctl, SYS_ioctl)
SAME(kill, SYS_kill)
SAME(listen, SYS_listen)
SAME(mkdirat, SYS_mkdirat)
SAME(mknodat, SYS_mknodat)
SAME(mmap, SYS_mmap)
SAME(mount, SYS_mount)
SAME(munmap, SYS_munmap)
SAME(nanosleep, SYS_nanosleep)
SAME(openat, SYS_openat)
SAME(pipe2, SYS_pipe2)
SAME(prctl, SYS_prctl)
SAME(pwrite, SYS_pwrite64)
SAME(read, SYS_read)
SAME(readlinkat, SYS_readlinkat)
SAME(recvmsg, SYS_recvmsg)
SAME(sendmsg, SYS_sendmsg)
SAME(setgroups, SYS_setgroups)
SAME(sethostname, SYS_sethostname)
SAME(setresgid, SYS_setresgid)
SAME(setresuid, SYS_setresuid)
SAME(setsid, SYS_setsid)
SAME(shutdown, SYS_shutdown)
SAME(socket, SYS_socket)
SAME(socketpair, SYS_socketpair)
SAME(symlinkat, SYS_symlinkat)
SAME(umask, SYS_umask)
SAME(umount2, SYS_umount2)
SAME(uname, SYS_uname)
SAME(unshare, SYS_unshare)
SAME(write, SYS_write)

long syscall(long number, long a, long b, long c, long d, long e, long f) { return Call(number, a, b, c, d, e, f); }

[[noreturn]] void _exit(int code) {
  for (;;) Call(SYS_exit_group, code);
}

// Names that not every machine has as a call of its own.
long dup2(long from, long to) { return Call(SYS_dup3, from, to, 0); }
long fork() { return Call(SYS_clone, kChildSignal); }
long getrlimit(long resource, long out) { return Call(SYS_prlimit64, 0, resource, 0, out); }
long open(long path, long flags, long mode) { return Call(SYS_openat, kCurrentFolder, path, flags, mode); }
long recv(long fd, long bytes, long size, long flags) { return Call(SYS_recvfrom, fd, bytes, size, flags); }
long rename(long from, long to) { return Call(SYS_renameat2, kCurrentFolder, from, kCurrentFolder, to); }
long send(long fd, long bytes, long size, long flags) { return Call(SYS_sendto, fd, bytes, size, flags); }
long setrlimit(long resource, long limit) { return Call(SYS_prlimit64, 0, resource, limit, 0); }
long signalfd(long fd, long set, long flags) { return Call(SYS_signalfd4, fd, set, kSignalSetSize, flags); }
long sigprocmask(long how, long set, long old) { return Call(SYS_rt_sigprocmask, how, set, old, kSignalSetSize); }
long unlink(long path) { return Call(SYS_unlinkat, kCurrentFolder, path, 0); }
long waitpid(long pid, long status, long options) { return Call(SYS_wait4, pid, status, options); }

long poll(long events, long count, int timeout) {
  __kernel_timespec time{timeout / 1000, timeout % 1000 * 1000000LL};
  return Call(SYS_ppoll, events, count, timeout < 0 ? 0 : reinterpret_cast<long>(&time));
}

// Only to SIG_DFL and SIG_IGN: a handler would need a way back.
long signal(long number, void (*handler)(int)) {
  KernelAction action{handler, 0, nullptr, 0};
  return Call(SYS_rt_sigaction, number, reinterpret_cast<long>(&action), 0, kSignalSetSize);
}

int sigemptyset(uint64_t* set) { return *set = 0, 0; }
int sigfillset(uint64_t* set) { return *set = ~uint64_t{0}, 0; }
int sigaddset(uint64_t* set, int signal) { return *set |= uint64_t{1} << (signal - 1), 0; }

}  // extern "C"
