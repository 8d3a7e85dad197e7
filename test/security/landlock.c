// Tries what a container under Landlock may be denied, one attempt for each two arguments, and prints what came of it:
// 0 or an errno.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int opened(const char* path, int flags) {
  int fd = open(path, flags, 0600);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

// What execve(2) fails with; 0 if the program runs.
static int executed(char* path) {
  int result[2];
  if (pipe2(result, O_CLOEXEC) != 0) return errno;
  pid_t child = fork();
  if (child == 0) {
    char* argv[] = {"true", NULL};
    execv(path, argv);
    int error = errno;
    if (write(result[1], &error, sizeof error) < 0) _exit(1);
    _exit(0);
  }
  close(result[1]);
  int error = 0;
  if (read(result[0], &error, sizeof error) < 0) error = errno;
  close(result[0]);
  waitpid(child, NULL, 0);
  return error;
}

static int of_port(const char* port, int (*call)(int, const struct sockaddr*, socklen_t)) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int error = call(fd, (struct sockaddr*)&address, sizeof address) == 0 ? 0 : errno;
  close(fd);
  return error;
}

static int abstract(const char* name, int listens) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path + 1, name, sizeof address.sun_path - 2);
  socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
  if (!listens) {
    int error = connect(fd, (struct sockaddr*)&address, size) == 0 ? 0 : errno;
    close(fd);
    return error;
  }
  return bind(fd, (struct sockaddr*)&address, size) == 0 && listen(fd, 8) == 0 ? 0 : errno;
}

static int listed(const char* path) {
  DIR* folder = opendir(path);
  if (folder == NULL) return errno;
  closedir(folder);
  return 0;
}

static int attempt(const char* what, char* of) {
  if (strcmp(what, "read") == 0) return opened(of, O_RDONLY);
  if (strcmp(what, "write") == 0) return opened(of, O_WRONLY | O_CREAT);
  if (strcmp(what, "list") == 0) return listed(of);
  if (strcmp(what, "truncate") == 0) return truncate(of, 0) == 0 ? 0 : errno;
  if (strcmp(what, "mkdir") == 0) return mkdir(of, 0700) == 0 ? 0 : errno;
  if (strcmp(what, "remove") == 0) return unlink(of) == 0 ? 0 : errno;
  if (strcmp(what, "execute") == 0) return executed(of);
  if (strcmp(what, "bind") == 0) return of_port(of, bind);
  if (strcmp(what, "connect") == 0) return of_port(of, connect);
  if (strcmp(what, "signal") == 0) return kill(atoi(of), 0) == 0 ? 0 : errno;
  if (strcmp(what, "call") == 0) return abstract(of, 0);
  if (strcmp(what, "answer") == 0) return abstract(of, 1);
  if (strcmp(what, "wait") == 0) return fflush(stdout) == 0 ? pause() : errno;
  return ENOSYS;
}

int main(int count, char** arguments) {
  for (int i = 1; i + 1 < count; i += 2) {
    printf("%s:%s %d\n", arguments[i], arguments[i + 1], attempt(arguments[i], arguments[i + 1]));
    fflush(stdout);
  }
  return 0;
}
