// The least that a container can be: clone3 into namespaces, an overlay of given layers, pivot_root, exec.
//   bare LOWER SCRATCH PROGRAM
// LOWER is what overlayfs calls lowerdir. Each run has writable folders of its own below SCRATCH.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "driven.h"

struct folders {
  char top[4096], upper[4200], work[4200], options[16384];
};

static void make_folders(struct folders *it, const char *lower, const char *scratch, int number) {
  snprintf(it->top, sizeof it->top, "%s/%d", scratch, number);
  snprintf(it->upper, sizeof it->upper, "%s/upper", it->top);
  snprintf(it->work, sizeof it->work, "%s/work", it->top);
  int length = snprintf(it->options, sizeof it->options, "lowerdir=%s,upperdir=%s,workdir=%s", lower, it->upper, it->work);
  require(length < (int)sizeof it->options, "the options of the overlay");
  require(mkdir(it->top, 0755) == 0, it->top);
  require(mkdir(it->upper, 0755) == 0, it->upper);
  require(mkdir(it->work, 0755) == 0, it->work);
}

static void remove_folders(const struct folders *it) {
  char inner[4300];
  snprintf(inner, sizeof inner, "%s/work", it->work);
  require(rmdir(inner) == 0, inner);
  require(rmdir(it->work) == 0, it->work);
  require(rmdir(it->upper) == 0, it->upper);
  require(rmdir(it->top) == 0, it->top);
}

static void become_container(const struct folders *it, const char *program) {
  require(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "making mounts private");
  require(mount("overlay", it->top, "overlay", 0, it->options) == 0, "mounting the overlay");
  require(chdir(it->top) == 0, it->top);
  require(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
  require(umount2(".", MNT_DETACH) == 0, "leaving the old root");
  require(chdir("/") == 0, "chdir");
  char *const arguments[] = {(char *)program, NULL};
  char *const environment[] = {NULL};
  execve(program, arguments, environment);
  require(0, program);
}

int main(int argc, char **argv) {
  if (argc != 4) return 2;
  struct clone_args how = {
      .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP,
      .exit_signal = SIGCHLD,
  };
  for (int number = 0; next_run(); number++) {
    struct folders folders;
    long long start = nanoseconds();
    make_folders(&folders, argv[1], argv[2], number);
    pid_t pid = (pid_t)syscall(SYS_clone3, &how, sizeof how);
    require(pid >= 0, "clone3");
    if (pid == 0) become_container(&folders, argv[3]);
    report(start, ended_with(pid));
    remove_folders(&folders);
  }
  return 0;
}
