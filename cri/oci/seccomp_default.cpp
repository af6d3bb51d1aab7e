// Keelson's RuntimeDefault profile, as data: an allow-list by groups of system calls. What is not listed fails with
// EPERM. A call is here if ordinary programs need it and it acts on the caller's own processes, memory, files or
// sockets, or if a capability guards it in the kernel anyway and the container holds that capability.
//
// Left out on purpose, whatever the capabilities: keyctl, add_key, request_key (keyrings are not namespaced),
// userfaultfd (stretches kernel races), io_uring_* (a whole second system call interface that no filter sees), kexec_*,
// swapon, swapoff, nfsservctl, pivot_root, lookup_dcookie, personality beyond the harmless values, vm86, uselib, sysfs,
// ustat.
#include "base/text.hpp"
#include "cri/oci/seccomp_profile.hpp"

#include <array>
#include <cerrno>

namespace keelson::cri {
namespace {

struct Group {
  std::string_view names; // separated by spaces; those that an architecture or libseccomp lacks are skipped there
  std::string_view cap;   // needed in the container's bounding set; empty: everybody gets it
};

constexpr std::array<Group, 32> kAllowed = {{
    // Processes and threads. clone, clone3, unshare and setns have rules of their own.
    {"execve execveat exit exit_group fork vfork wait4 waitid waitpid getpid getppid gettid getpgid getpgrp setpgid "
     "getsid "
     "setsid set_tid_address set_robust_list get_robust_list rseq membarrier restart_syscall prctl pidfd_open "
     "pidfd_send_signal process_mrelease arch_prctl modify_ldt set_thread_area get_thread_area map_shadow_stack "
     "riscv_flush_icache riscv_hwprobe cacheflush set_tls breakpoint",
     ""},
    // Locks between threads.
    {"futex futex_time64 futex_wait futex_waitv futex_wake futex_requeue", ""},
    // Signals.
    {"kill tkill tgkill pause alarm sigaction sigaltstack signal sigpending sigprocmask sigreturn sigsuspend "
     "rt_sigaction "
     "rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 "
     "rt_tgsigqueueinfo signalfd signalfd4 eventfd eventfd2",
     ""},
    // Scheduling, priorities and limits of the caller; raising them is guarded by CAP_SYS_NICE and CAP_SYS_RESOURCE.
    {"nice getpriority setpriority ioprio_get ioprio_set getcpu sched_yield sched_getaffinity sched_setaffinity "
     "sched_getattr "
     "sched_setattr sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max "
     "sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64 getrlimit ugetrlimit setrlimit "
     "prlimit64 "
     "getrusage times",
     ""},
    // Who the caller is. Changing it needs CAP_SETUID and CAP_SETGID.
    {"getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 getresgid getresgid32 "
     "getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 setresuid "
     "setresuid32 "
     "setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget capset",
     ""},
    // Memory.
    {"brk mmap mmap2 munmap mremap mprotect madvise mincore msync mlock mlock2 mlockall munlock munlockall mseal "
     "remap_file_pages pkey_alloc pkey_free pkey_mprotect memfd_create memfd_secret",
     ""},
    // Opening and closing.
    {"open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 pipe pipe2 ioctl name_to_handle_at", ""},
    // Reading and writing.
    {"read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek _llseek sendfile sendfile64 "
     "splice tee "
     "vmsplice copy_file_range readahead fadvise64 fadvise64_64 arm_fadvise64_64 fallocate ftruncate ftruncate64 "
     "truncate "
     "truncate64 sync syncfs fsync fdatasync sync_file_range sync_file_range2 arm_sync_file_range cachestat flock",
     ""},
    // Asynchronous I/O of the first kind; its system calls pass this filter one by one.
    {"io_setup io_submit io_getevents io_pgetevents io_pgetevents_time64 io_cancel io_destroy", ""},
    // Directories and names.
    {"getdents getdents64 getcwd chdir fchdir mkdir mkdirat rmdir link linkat symlink symlinkat readlink readlinkat "
     "unlink "
     "unlinkat rename renameat renameat2 mknod mknodat umask access faccessat faccessat2",
     ""},
    // Attributes of files.
    {"stat stat64 fstat fstat64 lstat lstat64 newfstatat fstatat64 statx statfs statfs64 fstatfs fstatfs64 oldstat "
     "oldfstat "
     "oldlstat chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 lchown lchown32 fchownat utime utimes "
     "futimesat "
     "utimensat utimensat_time64 file_getattr file_setattr",
     ""},
    {"getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat listxattr llistxattr flistxattr "
     "listxattrat removexattr lremovexattr fremovexattr removexattrat",
     ""},
    // Waiting for descriptors and watching files.
    {"poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl "
     "epoll_ctl_old "
     "epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch "
     "fanotify_mark",
     ""},
    // Sockets, except making one by address family (see below). On 32-bit x86 libseccomp filters the same calls inside
    // socketcall; socketcall itself is not listed, because it would hide the family.
    {"socketpair bind listen accept accept4 connect getsockname getpeername getsockopt setsockopt shutdown send sendto "
     "sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64",
     ""},
    // System V and POSIX IPC: they live in the pod's IPC namespace.
    {"ipc msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget "
     "mq_open "
     "mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify mq_getsetattr",
     ""},
    // Time and timers. Setting the clock is below; adjtimex without CAP_SYS_TIME only reads.
    {"time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep "
     "clock_nanosleep_time64 "
     "clock_adjtime clock_adjtime64 adjtimex nanosleep getitimer setitimer timer_create timer_delete timer_getoverrun "
     "timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 "
     "timerfd_settime timerfd_settime64",
     ""},
    // About the system, and sandboxes that a program puts itself into.
    {"uname sysinfo getrandom seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self", ""},
    // Looking at other processes of the same user; safe in the kernel since 4.8, which runs seccomp after ptrace.
    {"ptrace process_vm_readv process_vm_writev", ""},

    {"open_by_handle_at", "CAP_DAC_READ_SEARCH"},
    {"bpf fanotify_init fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr "
     "statmount "
     "listmount perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog umount umount2 unshare "
     "clone "
     "clone3",
     "CAP_SYS_ADMIN"},
    {"bpf", "CAP_BPF"},
    {"perf_event_open", "CAP_PERFMON"},
    {"syslog", "CAP_SYSLOG"},
    {"chroot", "CAP_SYS_CHROOT"},
    {"reboot", "CAP_SYS_BOOT"},
    {"init_module finit_module delete_module", "CAP_SYS_MODULE"},
    {"acct", "CAP_SYS_PACCT"},
    {"kcmp pidfd_getfd process_madvise", "CAP_SYS_PTRACE"},
    {"iopl ioperm", "CAP_SYS_RAWIO"},
    {"settimeofday stime clock_settime clock_settime64", "CAP_SYS_TIME"},
    {"vhangup", "CAP_SYS_TTY_CONFIG"},
    // Memory policies reach across processes through cpusets.
    {"get_mempolicy set_mempolicy set_mempolicy_home_node mbind", "CAP_SYS_NICE"},
}};

// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET of linux/sched.h: new namespaces open much of the
// kernel to code that is not root there.
constexpr std::uint64_t kNamespaceFlags = 0x7e020000;

// Execution domains that change nothing of safety: PER_LINUX, UNAME26, PER_LINUX32, both, and the query.
constexpr std::array<std::uint64_t, 5> kPersonalities = {0x0, 0x20000, 0x8, 0x20008, 0xffffffff};

// Address families 0 to 47 but AF_ALG (38, CVE-2026-31431) and AF_VSOCK (40, reaches the host past every network
// policy), as blocks of mask and value. Masks look at all 32 bits that the kernel looks at and at no others: with plain
// comparisons a caller could pass 40 + 2^32.
struct MaskedValue {
  std::uint64_t mask;
  std::uint64_t value;
};
constexpr std::array<MaskedValue, 7> kAddressFamilies = {{
    {0xffffffe0, 0},  // 0..31
    {0xfffffffc, 32}, // 32..35
    {0xfffffffe, 36}, // 36, 37
    {0xffffffff, 39},
    {0xffffffff, 41},
    {0xfffffffe, 42}, // 42, 43
    {0xfffffffc, 44}, // 44..47
}};

ConditionalSeccompRule allow(std::string_view names) {
  ConditionalSeccompRule rule;
  for (const std::string_view name : split_words(names)) rule.rule.names.emplace_back(name);
  rule.rule.action = "SCMP_ACT_ALLOW";
  return rule;
}

ConditionalSeccompRule allow_first_argument(std::string_view name, SeccompArg arg) {
  ConditionalSeccompRule rule = allow(name);
  rule.rule.args.push_back(std::move(arg));
  return rule;
}

void add_clone_rules(std::vector<ConditionalSeccompRule>& rules) {
  ConditionalSeccompRule clone = allow_first_argument("clone", {0, kNamespaceFlags, 0, "SCMP_CMP_MASKED_EQ"});
  clone.when.exclude_caps = {"CAP_SYS_ADMIN"};
  rules.push_back(std::move(clone));
  // Its flags are in memory, out of a filter's sight. ENOSYS makes C libraries fall back to clone.
  ConditionalSeccompRule clone3;
  clone3.rule = {{"clone3"}, "SCMP_ACT_ERRNO", ENOSYS, {}};
  clone3.when.exclude_caps = {"CAP_SYS_ADMIN"};
  rules.push_back(std::move(clone3));
}

SeccompProfile make_default() {
  SeccompProfile profile;
  profile.default_action = "SCMP_ACT_ERRNO";
  profile.default_errno = EPERM;
  // Without x32: nobody uses it, most kernels switch it off, and it would double the time that a filter takes to
  // compile (15 instead of 8 ms of each container start). Its calls kill the process.
  profile.arch_map = {
      {"SCMP_ARCH_X86_64", {"SCMP_ARCH_X86"}},
      {"SCMP_ARCH_AARCH64", {"SCMP_ARCH_ARM"}},
  };
  for (const Group& group : kAllowed) {
    ConditionalSeccompRule rule = allow(group.names);
    if (!group.cap.empty()) rule.when.include_caps.emplace_back(group.cap);
    profile.rules.push_back(std::move(rule));
  }
  for (const std::uint64_t value : kPersonalities)
    profile.rules.push_back(allow_first_argument("personality", {0, value, 0, "SCMP_CMP_EQ"}));
  for (const MaskedValue& family : kAddressFamilies)
    profile.rules.push_back(allow_first_argument("socket", {0, family.mask, family.value, "SCMP_CMP_MASKED_EQ"}));
  add_clone_rules(profile.rules);
  return profile;
}

} // namespace

const SeccompProfile& default_seccomp_profile() {
  static const SeccompProfile profile = make_default();
  return profile;
}

} // namespace keelson::cri
