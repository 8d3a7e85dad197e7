// Makes the launcher's table of system-call numbers, from the headers of Linux (linux-libc-dev) and, for the one architecture whose
// headers an x86-64 Debian lacks, from libseccomp (libseccomp-dev). Run it when Linux has new calls: add them to `newer` below.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './lib/paths.mjs';

const output = 'packages/launcher/src/compile/seccomp/syscall-tables.generated.ts';

// Calls that Debian 12's headers (Linux 6.1) do not have yet. From 424 on a call has one number on every architecture; the
// calls of x86-64 that do not are given by themselves.
const newer = {
  cachestat: 451,
  fchmodat2: 452,
  map_shadow_stack: 453,
  futex_wake: 454,
  futex_wait: 455,
  futex_requeue: 456,
  statmount: 457,
  listmount: 458,
  lsm_get_self_attr: 459,
  lsm_set_self_attr: 460,
  lsm_list_modules: 461,
  mseal: 462,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
  open_tree_attr: 467,
  file_getattr: 468,
  file_setattr: 469,
  listns: 470,
};
const newerOnX64 = { uretprobe: 335, uprobe: 336 };

const x32Bit = 0x40000000;

/**
 * The numbers that a header defines.
 * @param {string} source
 */
function fromHeader(source) {
  const macros = execFileSync('gcc', ['-dM', '-E', '-'], { input: source, encoding: 'utf8' });
  const names = [...macros.matchAll(/^#define __NR_(_?[a-z]\w*) /gm)].map(([, name = '']) => name);
  // The preprocessor knows what a macro of macros comes to.
  const text = `${source}\n${names.map((name) => `@${name} __NR_${name}`).join('\n')}`;
  const lines = execFileSync('gcc', ['-P', '-E', '-'], { input: text, encoding: 'utf8' });
  return new Map([...lines.matchAll(/^@\s*(\w+) (.*)$/gm)].map(([, name = '', value = '']) => [name, evaluate(value)]));
}

/** @param {string} expression */
function evaluate(expression) {
  if (!/^[\s()+x\da-fA-F]+$/.test(expression)) throw new Error(`not a number: ${expression}`);
  return Number(new Function(`return ${expression}`)());
}

/** What asm/unistd.h of arm64 asks of the generic one. */
const arm64 = ['RENAMEAT', 'NEW_STAT', 'SET_GET_RLIMIT', 'TIME32_SYSCALLS', 'SYS_CLONE3', 'MEMFD_SECRET']
  .map((name) => `#define __ARCH_WANT_${name}`)
  .join('\n');

/**
 * The numbers that libseccomp has for an architecture.
 * @param {string} token
 */
function fromLibseccomp(token) {
  const folder = mkdtempSync(join(tmpdir(), 'syscall-tables-'));
  try {
    const source = `
      #include <seccomp.h>
      #include <stdio.h>
      #include <stdlib.h>
      int main(void) {
        for (int number = 0; number < 1 << 20; number++) {
          char* name = seccomp_syscall_resolve_num_arch(${token}, number);
          if (name != NULL) printf("%s %d\\n", name, number);
          free(name);
        }
      }`;
    writeFileSync(join(folder, 'list.c'), source);
    execFileSync('gcc', ['-o', join(folder, 'list'), join(folder, 'list.c'), '-lseccomp']);
    const lines = execFileSync(join(folder, 'list'), { encoding: 'utf8' }).trim().split('\n');
    return new Map(lines.map((line) => [line.slice(0, line.indexOf(' ')), Number(line.slice(line.indexOf(' ')))]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const tables = {
  x86_64: fromHeader('#include <asm/unistd_64.h>'),
  x32: new Map(
    [...fromHeader(`#define __X32_SYSCALL_BIT ${x32Bit}\n#include <asm/unistd_x32.h>`)].map(([name, number]) => [
      name,
      number - x32Bit,
    ]),
  ),
  x86: fromHeader('#include <asm/unistd_32.h>'),
  aarch64: fromHeader(`${arm64}\n#define __BITS_PER_LONG 64\n#include <asm-generic/unistd.h>`),
  arm: fromLibseccomp('SCMP_ARCH_ARM'),
};
for (const [architecture, table] of Object.entries(tables)) {
  // Limits and placeholders of the generic header.
  for (const name of ['syscalls', 'arch_specific_syscall']) table.delete(name);
  const more = { ...newer, ...(architecture === 'x86_64' || architecture === 'x32' ? newerOnX64 : {}) };
  for (const [name, number] of Object.entries(more)) table.set(name, number);
  if ([...table.values()].some((number) => !Number.isInteger(number) || number < 0)) throw new Error(architecture);
}

/**
 * Names in the order of their numbers; a number stands where the next name's does not follow. Wrapped for people.
 * @param {Map<string, number>} table
 */
function compact(table) {
  /** @type {string[]} */
  const words = [];
  let next = 0;
  for (const [name, number] of [...table].sort(([a, m], [b, n]) => m - n || (a < b ? -1 : 1))) {
    if (number !== next) words.push(String(number));
    words.push(name);
    next = number + 1;
  }
  /** @type {string[]} */
  const lines = [];
  let line = '';
  for (const word of words) {
    if (line.length + word.length > 110) lines.push(line);
    line = line.length + word.length > 110 ? word : `${line} ${word}`.trimStart();
  }
  lines.push(line);
  return lines.map((line) => `    ${line}`).join('\n');
}

writeFileSync(
  join(root, output),
  `// Generated by scripts/syscall-tables.mjs; edit that.

/**
 * Names of system calls in the order of their numbers, from 0 on; a number stands before a name that does not have the next one.
 * Those of x32 lack the bit 0x40000000 that marks them.
 */
export const syscallTables = {
${Object.entries(tables)
  .map(([architecture, table]) => `  ${architecture}: \`\n${compact(table)}\`,\n`)
  .join('')}} as const;
`,
);
