// Compiles rules with libseccomp, for comparison. Reads lines: `default ACTION`, `arch TOKEN` (the first in place of the native one),
// `rule ACTION NAME COUNT`, each of COUNT followed by `INDEX OPERATOR A B`; numbers are decimal. Writes the filter.
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int result, const char* what) {
  if (result >= 0) return;
  fprintf(stderr, "%s: %s\n", what, strerror(-result));
  exit(1);
}

int main(void) {
  scmp_filter_ctx filter = NULL;
  uint32_t otherwise = 0;
  int architectures = 0;
  char word[64];
  while (scanf("%63s", word) == 1) {
    if (strcmp(word, "default") == 0) {
      if (scanf("%u", &otherwise) != 1) return 2;
      filter = seccomp_init(otherwise);
      if (filter == NULL) return 2;
      check(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "bad architecture");
    } else if (strcmp(word, "arch") == 0) {
      uint32_t token;
      if (scanf("%u", &token) != 1) return 2;
      if (token != seccomp_arch_native()) check(seccomp_arch_add(filter, token), "arch");
      if (architectures++ == 0 && token != seccomp_arch_native()) check(seccomp_arch_remove(filter, SCMP_ARCH_NATIVE), "native");
    } else {
      uint32_t action;
      unsigned count;
      struct scmp_arg_cmp args[6];
      if (scanf("%u %63s %u", &action, word, &count) != 3 || count > 6) return 2;
      for (unsigned i = 0; i < count; i++) {
        unsigned operator;
        if (scanf("%u %u %lu %lu", &args[i].arg, &operator, &args[i].datum_a, &args[i].datum_b) != 4) return 2;
        args[i].op = (enum scmp_compare)operator;
      }
      int number = seccomp_syscall_resolve_name(word);
      if (number == __NR_SCMP_ERROR || action == otherwise) continue;
      check(seccomp_rule_add_array(filter, action, number, count, args), word);
    }
  }
  check(seccomp_export_bpf(filter, 1), "export");
  return 0;
}
