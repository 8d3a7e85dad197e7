// Times a command from its spawn to its end.
//   time-exec [-i INPUT] COMMAND ARGUMENT...
// An argument `{}` becomes a name that no other run of this process has.
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <string.h>

#include "driven.h"

extern char **environ;

int main(int argc, char **argv) {
  const char *input = "/dev/null";
  if (argc > 2 && strcmp(argv[1], "-i") == 0) {
    input = argv[2];
    argc -= 2;
    argv += 2;
  }
  if (argc < 2) return 2;
  posix_spawn_file_actions_t streams;
  require(posix_spawn_file_actions_init(&streams) == 0, "posix_spawn_file_actions_init");
  require(posix_spawn_file_actions_addopen(&streams, STDIN_FILENO, input, O_RDONLY, 0) == 0, "standard input");
  require(posix_spawn_file_actions_addopen(&streams, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) == 0, "standard output");
  char name[64];
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "{}") == 0) argv[i] = name;
  }
  for (int number = 0; next_run(); number++) {
    snprintf(name, sizeof name, "bench-%d-%d", getpid(), number);
    pid_t pid;
    long long start = nanoseconds();
    require(posix_spawnp(&pid, argv[1], &streams, NULL, argv + 1, environ) == 0, argv[1]);
    report(start, ended_with(pid));
  }
  return 0;
}
