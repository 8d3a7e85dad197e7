/* An agent of a seccomp profile (config-linux.md, "Seccomp"): agent SOCKET. It tells on standard output, in lines, `listening`, the state that
   came with each listener, and `hung up` when the last process under that filter is gone. mkdir(2) and mkdirat(2) it answers with ENODATA, getppid(2)
   with 4242; all else it lets be made. */
#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static void answer(int listener) {
  for (;;) {
    struct pollfd ready = {listener, POLLIN, 0};
    if (poll(&ready, 1, -1) < 0) exit(1);
    if (ready.revents & POLLHUP) return;
    struct seccomp_notif call;
    memset(&call, 0, sizeof call);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
    struct seccomp_notif_resp reply = {call.id, 0, 0, 0};
    if (call.data.nr == SYS_getppid) {
      reply.val = 4242;
    } else if (call.data.nr == SYS_mkdirat
#ifdef SYS_mkdir
               || call.data.nr == SYS_mkdir
#endif
    ) {
      reply.error = -ENODATA;
    } else {
      reply.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    }
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
  }
}

static int receive(int connection) {
  char state[65536];
  char control[CMSG_SPACE(sizeof(int))];
  struct iovec part = {state, sizeof state - 1};
  struct msghdr message = {0};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
  struct cmsghdr *header = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  if (header == NULL || header->cmsg_type != SCM_RIGHTS) return -1;
  state[size] = 0;
  for (char *end = state; (end = strchr(end, '\n')) != NULL;) *end = ' ';
  printf("%s\n", state);
  int listener;
  memcpy(&listener, CMSG_DATA(header), sizeof listener);
  return listener;
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  signal(SIGCHLD, SIG_IGN);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (argc != 2 || strlen(argv[1]) >= sizeof address.sun_path) return 1;
  strcpy(address.sun_path, argv[1]);
  int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 16) != 0) return 1;
  puts("listening");
  for (;;) {
    int connection = accept(server, NULL, NULL);
    if (connection < 0) return 1;
    if (fork() == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      close(server);
      int listener = receive(connection);
      close(connection);
      if (listener < 0) exit(0);
      answer(listener);
      puts("hung up");
      exit(0);
    }
    close(connection);
  }
}
