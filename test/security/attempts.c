// Makes system calls that a container may or may not make, and says of each what came of it: `NAME 0`, or `NAME ERRNO`. Arguments that no kernel
// would take are given where the call, if it is let through, would do something: then it fails with another errno than a filter's.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BAD ((void*)1)

static void tell(const char* name, long result) { printf("%s %d\n", name, result < 0 ? errno : 0); }

#define TRY(name, ...) tell(name, syscall(__VA_ARGS__))

// In a child, which may be killed for it: `NAME signal N` then.
static void attempt_killed(const char* name, long number) {
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    long result = syscall(number, 0, 0, 0, 0, 0, 0);
    _exit(result < 0 ? errno : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) printf("%s signal %d\n", name, WTERMSIG(status));
  else printf("%s %d\n", name, WEXITSTATUS(status));
}

static long clone_with(unsigned long flags) {
  long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid((pid_t)pid, NULL, 0);
  return pid;
}

#ifdef __x86_64__
static void try_i386(const char* name, long number, long a, long b) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(0), "S"(0), "D"(0) : "memory", "r8", "r9", "r10", "r11");
  errno = (int)-result;
  tell(name, result < 0 && result > -4096 ? -1 : 0);
}
#endif

int main(void) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  TRY("mount", SYS_mount, BAD, BAD, BAD, 0, 0);
  TRY("umount2", SYS_umount2, BAD, 0);
  TRY("fsopen", SYS_fsopen, "tmpfs", 0);
  TRY("open_tree", SYS_open_tree, AT_FDCWD, "/", 0);
  TRY("move_mount", 429, -1, BAD, -1, BAD, 0);
  TRY("fspick", 433, AT_FDCWD, "/", 0);
  TRY("mount_setattr", 442, -1, BAD, 0, BAD, 0);
  TRY("statmount", 457, BAD, BAD, 0, 0);
  TRY("pivot_root", SYS_pivot_root, BAD, BAD);
  TRY("unshare-user", SYS_unshare, CLONE_NEWUSER);
  TRY("unshare-mount", SYS_unshare, CLONE_NEWNS);
  TRY("setns", SYS_setns, -1, 0);
  tell("clone", clone_with(0));
  tell("clone-user", clone_with(CLONE_NEWUSER));
  tell("clone-mount", clone_with(CLONE_NEWNS));
  tell("clone-cgroup", clone_with(CLONE_NEWCGROUP));
  TRY("clone3", 435, BAD, 88);
  TRY("ptrace", SYS_ptrace, 16, -1, 0, 0);
  TRY("process_vm_readv", SYS_process_vm_readv, -1, BAD, 1, BAD, 1, 0);
  TRY("kcmp", SYS_kcmp, getpid(), getpid(), 0, 0, 0);
  TRY("pidfd_getfd", 438, -1, 0, 0);
  TRY("keyctl", SYS_keyctl, 0, -3, 0);
  TRY("add_key", SYS_add_key, "user", "gantry", "x", 1, -2);
  TRY("request_key", SYS_request_key, "user", "gantry", 0, 0);
  TRY("clock_settime", SYS_clock_settime, 0, BAD);
  TRY("settimeofday", SYS_settimeofday, BAD, 0);
  TRY("bpf", SYS_bpf, 0, BAD, 0);
  TRY("userfaultfd", SYS_userfaultfd, 1);
  TRY("perf_event_open", SYS_perf_event_open, BAD, 0, -1, -1, 0);
  TRY("io_uring_setup", 425, 1, BAD);
  TRY("io_uring_enter", 426, -1, 0, 0, 0, 0, 0);
  TRY("io_uring_register", 427, -1, 0, 0, 0);
  TRY("kexec_load", SYS_kexec_load, 0, 0, BAD, 0);
  TRY("init_module", SYS_init_module, BAD, 0, BAD);
  TRY("finit_module", SYS_finit_module, -1, "", 0);
  TRY("delete_module", SYS_delete_module, BAD, 0);
  TRY("reboot", SYS_reboot, 0, 0, 0, 0);
  TRY("swapon", SYS_swapon, BAD, 0);
  TRY("acct", SYS_acct, BAD);
  TRY("quotactl", SYS_quotactl, 0, BAD, 0, BAD);
  TRY("syslog", SYS_syslog, 10, 0, 0);
  TRY("sethostname", SYS_sethostname, BAD, 1);
  TRY("open_by_handle_at", SYS_open_by_handle_at, -1, BAD, 0);
  TRY("fanotify_init", SYS_fanotify_init, 0, 0);
  TRY("lookup_dcookie", SYS_lookup_dcookie, 0, BAD, 0);
  TRY("move_pages", SYS_move_pages, 0, 0, 0, 0, 0, 0);
  TRY("chroot", SYS_chroot, "/");
  // By its own right it may make the node, but not open it.
  syscall(SYS_mknodat, AT_FDCWD, "/dev/block", 060600, 8 << 8);
  TRY("open-block", SYS_openat, AT_FDCWD, "/dev/block", O_RDONLY);
  TRY("personality-get", SYS_personality, 0xffffffff);
  TRY("personality-no-randomize", SYS_personality, 0x0040000);
  TRY("personality-high-bits", SYS_personality, 0x100040000);
  TRY("socket-inet", SYS_socket, 2, 1, 0);
  TRY("socket-unix", SYS_socket, 1, 1, 0);
  TRY("socket-netlink", SYS_socket, 16, 3, 0);
  TRY("socket-raw", SYS_socket, 2, 3, 1);
  TRY("socket-packet", SYS_socket, 17, 3, 0);
  TRY("socket-alg", SYS_socket, 38, 5, 0);
  TRY("socket-vsock", SYS_socket, 40, 1, 0);
  TRY("socket-alg-high-bits", SYS_socket, 0x100000000 | 38, 5, 0);
  TRY("socket-vsock-high-bits", SYS_socket, 0x8000000000000000 | 40, 1, 0);
  TRY("getrandom", SYS_getrandom, BAD, 0, 0);
  TRY("newest", 1000, 0, 0, 0);
  TRY("minus-one", -1, 0, 0, 0);
#ifdef __x86_64__
  TRY("iopl", SYS_iopl, 3);
  TRY("ioperm", SYS_ioperm, 0, 1, 1);
  try_i386("i386-getpid", 20, 0, 0);
  try_i386("i386-mount", 21, 1, 1);
  try_i386("i386-socketcall-socket", 102, 1, 0);
  try_i386("i386-socketcall-bind", 102, 2, 0);
  try_i386("i386-socket-alg", 359, 38, 5);
  try_i386("i386-stime", 25, 1, 0);
  attempt_killed("x32-getpid", 0x40000000 | 39);
#endif
  return 0;
}
