// Exchanges the two names of each pair, again and again, until it is killed; says `swapping` once each has been exchanged.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int count, char** names) {
  for (unsigned long round = 0;; round++) {
    for (int i = 1; i + 1 < count; i += 2) {
      if (renameat2(AT_FDCWD, names[i], AT_FDCWD, names[i + 1], RENAME_EXCHANGE) != 0 && round == 0) {
        perror(names[i]);
        return 1;
      }
    }
    if (round == 0 && write(1, "swapping\n", 9) < 0) return 1;
  }
}
