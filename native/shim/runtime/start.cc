// The entry point, and what the compiler's stack protector wants.
#include <elf.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "call.h"

int main(int argc, char** argv);

extern "C" {

uintptr_t __stack_chk_guard = 0;

[[noreturn]] void __stack_chk_fail() { __builtin_trap(); }

// `stack` is as the kernel leaves it: argc, argv, NULL, environment, NULL, pairs of the auxiliary vector.
[[noreturn, gnu::used, gnu::optimize("no-stack-protector")]] void Start(const uintptr_t* stack) {
  const uintptr_t* next = stack + 1 + stack[0] + 1;
  while (*next != 0) next++;
  for (next++; next[0] != AT_NULL; next += 2) {
    if (next[0] == AT_RANDOM) __stack_chk_guard = *reinterpret_cast<const uintptr_t*>(next[1]);
  }
  auto* arguments = reinterpret_cast<char**>(const_cast<uintptr_t*>(stack + 1));
  gantry::Call(SYS_exit_group, main(static_cast<int>(stack[0]), arguments));
  __builtin_unreachable();
}

}  // extern "C"

#if defined(__x86_64__)
asm(".globl _start\n"
    "_start:\n"
    "  xor %ebp, %ebp\n"
    "  mov %rsp, %rdi\n"
    "  and $-16, %rsp\n"
    "  call Start\n");
#elif defined(__aarch64__)
asm(".globl _start\n"
    "_start:\n"
    "  mov x29, #0\n"
    "  mov x30, #0\n"
    "  mov x0, sp\n"
    "  bl Start\n");
#endif
