// Takes a folder out of its project, so that what is made in it is counted for nobody, and prints what came of it: 0 or an errno.
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>

static int leave(const char* path) {
  int fd = open(path, O_RDONLY | O_DIRECTORY);
  struct fsxattr attributes;
  if (fd < 0 || ioctl(fd, FS_IOC_FSGETXATTR, &attributes) != 0) return errno;
  attributes.fsx_projid = 0;
  attributes.fsx_xflags &= ~(unsigned)FS_XFLAG_PROJINHERIT;
  return ioctl(fd, FS_IOC_FSSETXATTR, &attributes) == 0 ? 0 : errno;
}

int main(int count, char** arguments) {
  if (count != 2) return 2;
  printf("left %d\n", leave(arguments[1]));
  return 0;
}
