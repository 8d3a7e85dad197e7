// What the two programs of the benchmark share: for each line on standard input one run, and one line
// `<microseconds> <exit status>` on standard output.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void require(int ok, const char *what) {
  if (ok) return;
  perror(what);
  _exit(125);
}

static long long nanoseconds(void) {
  struct timespec now;
  require(clock_gettime(CLOCK_MONOTONIC, &now) == 0, "clock_gettime");
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int ended_with(pid_t pid) {
  int status;
  require(waitpid(pid, &status, 0) == pid, "waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void report(long long start, int status) {
  printf("%.1f %d\n", (nanoseconds() - start) / 1000.0, status);
  require(fflush(stdout) == 0, "standard output");
}

static int next_run(void) {
  char line[16];
  return fgets(line, sizeof line, stdin) != NULL;
}
