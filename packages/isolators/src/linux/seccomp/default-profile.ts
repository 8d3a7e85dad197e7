import type { SeccompProfile } from '@gantry/interface';

/** One word a call. */
const calls = (text: string) => text.trim().split(/\s+/);

/** What programs do with files, memory, processes, time and networks, and what comes to nothing without a capability anyway. */
const allowed = [
  // Files and folders.
  ...calls(`
    open openat openat2 creat close close_range read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2
    lseek _llseek stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat oldstat oldlstat oldfstat statx statfs statfs64
    fstatfs fstatfs64 access faccessat faccessat2 chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 lchown
    lchown32 fchownat link linkat symlink symlinkat readlink readlinkat unlink unlinkat rename renameat renameat2 mkdir
    mkdirat rmdir mknod mknodat getdents getdents64 readdir chdir fchdir getcwd truncate truncate64 ftruncate ftruncate64
    fallocate umask utime utimes futimesat utimensat utimensat_time64 fcntl fcntl64 flock ioctl dup dup2 dup3 pipe pipe2
    fsync fdatasync sync syncfs sync_file_range arm_sync_file_range fadvise64 fadvise64_64 arm_fadvise64_64
    readahead sendfile sendfile64 splice tee vmsplice copy_file_range cachestat name_to_handle_at
    setxattr setxattrat lsetxattr fsetxattr getxattr getxattrat lgetxattr fgetxattr listxattr listxattrat llistxattr
    flistxattr removexattr removexattrat lremovexattr fremovexattr file_getattr file_setattr
    inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark`),
  // Waiting for descriptors.
  ...calls(`
    select _newselect pselect6 pselect6_time64 poll ppoll ppoll_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old
    epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime
    timerfd_settime64 timerfd_gettime timerfd_gettime64 io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents
    io_pgetevents_time64`),
  // Memory.
  ...calls(`
    mmap mmap2 munmap mremap mprotect msync madvise mincore brk mlock mlock2 munlock mlockall munlockall remap_file_pages
    membarrier memfd_create memfd_secret mseal map_shadow_stack pkey_alloc pkey_free pkey_mprotect process_mrelease
    shmget shmat shmctl shmdt`),
  // Processes and threads.
  ...calls(`
    fork vfork execve execveat exit exit_group wait4 waitid waitpid kill tkill tgkill pidfd_open pidfd_send_signal getpid
    getppid gettid getpgid setpgid getpgrp getsid setsid set_tid_address set_thread_area get_thread_area set_tls get_tls
    arch_prctl prctl modify_ldt capget capset seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
    set_robust_list get_robust_list rseq restart_syscall futex futex_time64 futex_waitv futex_wait futex_wake futex_requeue
    getcpu cacheflush breakpoint uretprobe uprobe times sysinfo uname oldolduname olduname lsm_get_self_attr lsm_set_self_attr lsm_list_modules
    sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam sched_setparam
    sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min sched_rr_get_interval
    sched_rr_get_interval_time64 getpriority setpriority ioprio_get ioprio_set nice getrlimit setrlimit ugetrlimit prlimit64
    getrusage`),
  // Signals.
  ...calls(`
    signal sigaction sigprocmask sigpending sigsuspend sigreturn sigaltstack sgetmask ssetmask rt_sigaction rt_sigprocmask
    rt_sigpending rt_sigsuspend rt_sigreturn rt_sigtimedwait rt_sigtimedwait_time64 rt_sigqueueinfo rt_tgsigqueueinfo pause
    alarm getitimer setitimer`),
  // Time.
  ...calls(`
    time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 nanosleep clock_nanosleep
    clock_nanosleep_time64 timer_create timer_delete timer_settime timer_settime64 timer_gettime timer_gettime64
    timer_getoverrun adjtimex clock_adjtime clock_adjtime64`),
  // Ids.
  ...calls(`
    getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32
    getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid setresuid32
    setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32`),
  // Sockets, and messages between processes.
  ...calls(`
    bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt shutdown socketpair send sendto sendmsg
    sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64 msgget msgsnd msgrcv msgctl semget semop semctl semtimedop
    semtimedop_time64 ipc mq_open mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify
    mq_getsetattr getrandom`),
];

/** Half of the bits of an argument of 32 bits: what a program puts above is nothing to the kernel, and must be nothing here. */
const word = 0xffffffff;

/** The personalities that change nothing of what is safe: Linux, with 32-bit machine names, with SVr4's layout; and asking for the present one. */
const personalities = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

/**
 * The families of sockets but AF_ALG (38), the kernel's cryptography with a history of holes, and AF_VSOCK (40), which leads to
 * the host of a virtual machine: blocks of numbers, as [mask, value].
 */
const families: readonly (readonly [mask: number, value: number])[] = [
  [0xffffffe0, 0],
  [0xfffffffc, 32],
  [0xfffffffe, 36],
  [word, 39],
  [word, 41],
  [0xfffffffe, 42],
  [0xfffffffc, 44],
];

/** CLONE_NEW* of the calls that have them in a register. */
const newNamespaces = 0x7e020000;

const allow = 'SCMP_ACT_ALLOW';

/**
 * What containers may call unless their spec says otherwise. Written with an allow list, so that a call which Linux gains is not allowed
 * before somebody has looked at it. All conditions look at no more bits of an argument than the kernel does.
 */
export const defaultProfile: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: 1,
  archMap: [
    { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86'] },
    { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
  ],
  syscalls: [
    { names: allowed, action: allow },
    ...families.map(([value, valueTwo]) => ({
      names: ['socket'],
      action: allow,
      args: [{ index: 0, value, valueTwo, op: 'SCMP_CMP_MASKED_EQ' }],
    })),
    // The family is out of sight where socket(2) is called by way of this; programs of this century call it themselves.
    { names: ['socketcall'], action: allow, args: [{ index: 0, value: 1, op: 'SCMP_CMP_GT' }] },
    ...personalities.map((value) => ({
      names: ['personality'],
      action: allow,
      args: [{ index: 0, value: word, valueTwo: value, op: 'SCMP_CMP_MASKED_EQ' }],
    })),
    {
      names: ['clone'],
      action: allow,
      args: [{ index: 0, value: newNamespaces, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
      excludes: { caps: ['CAP_SYS_ADMIN'] },
    },
    // Its flags are in memory. Programs take this for a kernel without it, and use clone.
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38, excludes: { caps: ['CAP_SYS_ADMIN'] } },
    {
      names: calls(`
        clone clone3 unshare setns mount umount umount2 mount_setattr open_tree open_tree_attr move_mount fsopen fsconfig fsmount
        fspick pivot_root statmount listmount listns sethostname setdomainname quotactl quotactl_fd fanotify_init
        lookup_dcookie perf_event_open bpf syslog swapon swapoff`),
      action: allow,
      includes: { caps: ['CAP_SYS_ADMIN'] },
    },
    { names: ['bpf'], action: allow, includes: { caps: ['CAP_BPF'] } },
    { names: ['perf_event_open'], action: allow, includes: { caps: ['CAP_PERFMON'] } },
    { names: ['syslog'], action: allow, includes: { caps: ['CAP_SYSLOG'] } },
    { names: ['chroot'], action: allow, includes: { caps: ['CAP_SYS_CHROOT'] } },
    { names: ['open_by_handle_at'], action: allow, includes: { caps: ['CAP_DAC_READ_SEARCH'] } },
    { names: calls('reboot kexec_load kexec_file_load'), action: allow, includes: { caps: ['CAP_SYS_BOOT'] } },
    { names: calls('init_module finit_module delete_module'), action: allow, includes: { caps: ['CAP_SYS_MODULE'] } },
    { names: ['acct'], action: allow, includes: { caps: ['CAP_SYS_PACCT'] } },
    {
      names: calls('ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp'),
      action: allow,
      includes: { caps: ['CAP_SYS_PTRACE'] },
    },
    { names: calls('iopl ioperm'), action: allow, includes: { caps: ['CAP_SYS_RAWIO'] } },
    {
      names: calls('settimeofday stime clock_settime clock_settime64'),
      action: allow,
      includes: { caps: ['CAP_SYS_TIME'] },
    },
    { names: ['vhangup'], action: allow, includes: { caps: ['CAP_SYS_TTY_CONFIG'] } },
    {
      names: calls('get_mempolicy mbind set_mempolicy set_mempolicy_home_node migrate_pages move_pages'),
      action: allow,
      includes: { caps: ['CAP_SYS_NICE'] },
    },
  ],
};
