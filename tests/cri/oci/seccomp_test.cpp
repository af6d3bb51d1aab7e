#include "base/file.hpp"
#include "cri/oci/seccomp_compiler.hpp"
#include "cri/oci/seccomp_store.hpp"
#include "cri/proto/runtime_v1.pb.h"
#include "tests/support/temp_dir.hpp"

#include <gmock/gmock.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <thread>

namespace keelson::cri {
namespace {

using keelson::test::TempDir;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kDefaultCaps = 0xa80425fb;

SeccompFilter default_filter(std::uint64_t capabilities) {
  return resolve_seccomp(default_seccomp_profile(), {native_seccomp_arch(), capabilities, {6, 1}});
}

// The errno of a raw system call in a child under the program; 0: it succeeded; 255: the child was killed.
int errno_under(const SeccompProgram& program, const std::function<long()>& call) {
  const pid_t child = ::fork();
  if (child == 0) {
    sock_fprog filter{static_cast<unsigned short>(program.bpf.size() / sizeof(sock_filter)),
                      reinterpret_cast<sock_filter*>(const_cast<char*>(program.bpf.data()))};
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, program.flags, &filter) != 0)
      ::_exit(254);
    const long result = call();
    ::_exit(result < 0 ? errno : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

struct DefaultProfile : ::testing::Test {
  void SetUp() override {
    auto compiled = compile_seccomp(default_filter(kDefaultCaps));
    ASSERT_TRUE(compiled) << compiled.error().message;
    program = std::move(*compiled);
  }
  int run(const std::function<long()>& call) const { return errno_under(program, call); }
  SeccompProgram program;
};

TEST_F(DefaultProfile, OrdinaryCallsWork) {
  const TempDir dir;
  const std::string made = dir / "made";
  EXPECT_EQ(run([&] { return ::syscall(SYS_mkdirat, AT_FDCWD, made.c_str(), 0700); }), 0);
  EXPECT_TRUE(exists(made));
  EXPECT_EQ(run([] { return ::syscall(SYS_getpid); }), 0);
  EXPECT_EQ(run([] { return ::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }), 0);
  EXPECT_EQ(run([] { return ::syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0); }), 0);
  EXPECT_EQ(run([] { return ::syscall(SYS_socket, 16 /* AF_NETLINK */, SOCK_RAW, 0); }), 0);
  EXPECT_EQ(run([] { return ::syscall(SYS_personality, 0xffffffff); }), 0);
  EXPECT_EQ(run([] { return ::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }), 0);
}

TEST_F(DefaultProfile, DangerousCallsArePermissionErrors) {
  for (const long number :
       {SYS_keyctl,  SYS_add_key,      SYS_request_key, SYS_unshare,         SYS_setns,          SYS_mount,
        SYS_umount2, SYS_pivot_root,   SYS_bpf,         SYS_perf_event_open, SYS_userfaultfd,    SYS_kexec_load,
        SYS_reboot,  SYS_swapon,       SYS_init_module, SYS_io_uring_setup,  SYS_io_uring_enter, SYS_open_by_handle_at,
        SYS_acct,    SYS_settimeofday, SYS_syslog,      SYS_quotactl,        SYS_mbind,          SYS_move_pages,
        SYS_kcmp})
    EXPECT_EQ(run([&] { return ::syscall(number, -1, 0, 0, 0, 0, 0); }), EPERM) << number;
}

TEST_F(DefaultProfile, NewNamespacesAreRefusedInEverySpelling) {
  for (const long flag :
       {CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP}) {
    EXPECT_EQ(run([&] { return ::syscall(SYS_clone, flag | SIGCHLD, 0, 0, 0, 0); }), EPERM) << flag;
    EXPECT_EQ(run([&] { return ::syscall(SYS_clone, flag | SIGCHLD | 1L << 40, 0, 0, 0, 0); }), EPERM) << flag;
    EXPECT_EQ(run([&] { return ::syscall(SYS_unshare, flag); }), EPERM) << flag;
  }
  EXPECT_EQ(run([] { return ::syscall(SYS_clone3, 0, 0); }), ENOSYS);
}

// The kernel looks at 32 bits of the family, so a filter that compares 64 can be passed by.
TEST_F(DefaultProfile, SocketFamiliesThatReachTheHostAreRefused) {
  for (const long family : {38L /* AF_ALG */, 40L /* AF_VSOCK */, 64L, 255L})
    for (const long high : {0L, 1L << 32, 0x7fffffffL << 32})
      EXPECT_EQ(run([&] { return ::syscall(SYS_socket, family | high, SOCK_STREAM, 0); }), EPERM)
          << family << " " << high;
  for (long family = 0; family < 48; ++family) {
    if (family == 38 || family == 40) continue;
    EXPECT_NE(run([&] { return ::syscall(SYS_socket, family, -1, -1); }), EPERM) << family;
  }
}

TEST_F(DefaultProfile, PersonalitiesThatWeakenMemoryAreRefused) {
  EXPECT_EQ(run([] { return ::syscall(SYS_personality, 0x0040000 /* ADDR_NO_RANDOMIZE */); }), EPERM);
  EXPECT_EQ(run([] { return ::syscall(SYS_personality, 0x0100000 /* MMAP_PAGE_ZERO */); }), EPERM);
}

TEST_F(DefaultProfile, CallsNewerThanTheProfileAnswerThatTheyAreMissing) {
  EXPECT_EQ(run([] { return ::syscall(600); }), ENOSYS);
}

TEST_F(DefaultProfile, TheX32InterfaceIsClosed) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer waits for a child that ends in a system call of the other interface";
#endif
  constexpr int kKilled = 255;
  EXPECT_EQ(run([] { return ::syscall(SYS_getpid | 0x40000000L); }), kKilled);
  EXPECT_EQ(run([] { return ::syscall(SYS_keyctl | 0x40000000L, 0, 0, 0, 0, 0); }), kKilled);
}

TEST(DefaultProfileConditions, CapabilitiesOpenTheirCalls) {
  const auto with = [](unsigned capability) {
    return *compile_seccomp(default_filter(kDefaultCaps | std::uint64_t{1} << capability));
  };
  const SeccompProgram admin = with(CAP_SYS_ADMIN);
  EXPECT_NE(errno_under(admin, [] { return ::syscall(SYS_mount, 0, 0, 0, 0, 0); }), EPERM);
  EXPECT_EQ(errno_under(admin, [] { return ::syscall(SYS_unshare, 0); }), 0);
  EXPECT_EQ(errno_under(admin, [] { return ::syscall(SYS_clone3, 0, 0); }), EINVAL);
  EXPECT_EQ(errno_under(admin, [] { return ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }), EPERM);
  EXPECT_EQ(errno_under(with(CAP_SYS_NICE), [] { return ::syscall(SYS_mbind, -1, 4096, 77, 0, 0, 0); }), EINVAL);
  const SeccompProgram none = *compile_seccomp(default_filter(0));
  EXPECT_EQ(errno_under(none, [] { return ::syscall(SYS_chroot, "/nonexistent"); }), EPERM);
  EXPECT_EQ(
      errno_under(*compile_seccomp(default_filter(kDefaultCaps)), [] { return ::syscall(SYS_chroot, "/nonexistent"); }),
      ENOENT);
}

TEST(SeccompProfile, DockerFormResolvesConditions) {
  const auto profile = parse_seccomp_profile(R"({
    "defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,
    "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]},
               {"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]}],
    "syscalls":[
      {"names":["read","write"],"action":"SCMP_ACT_ALLOW"},
      {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
      {"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38,"excludes":{"caps":["CAP_SYS_ADMIN"]}},
      {"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}},
      {"names":["arm_fadvise64_64"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["arm","arm64"]}},
      {"names":["arch_prctl"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["amd64"]}}]})");
  ASSERT_TRUE(profile) << profile.error().message;
  const auto names = [&](const SeccompContext& context) {
    std::vector<std::string> all;
    for (const SeccompRule& rule : resolve_seccomp(*profile, context).rules)
      all.insert(all.end(), rule.names.begin(), rule.names.end());
    return all;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(names({"SCMP_ARCH_X86_64", 0, {4, 8}}), ElementsAre("read", "write", "clone3", "ptrace", "arch_prctl"));
  EXPECT_THAT(names({"SCMP_ARCH_AARCH64", 1U << CAP_SYS_ADMIN, {4, 7}}),
              ElementsAre("read", "write", "mount", "arm_fadvise64_64"));
  EXPECT_THAT(resolve_seccomp(*profile, {"SCMP_ARCH_AARCH64", 0, {}}).architectures,
              ElementsAre("SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"));
}

TEST(SeccompProfile, OciFormSurvivesPrintingAndParsing) {
  const SeccompFilter filter = default_filter(kDefaultCaps);
  const auto again = parse_seccomp_filter(seccomp_filter_json(filter));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, filter);
}

TEST(SeccompProfile, BadDocumentsAreRefused) {
  const std::vector<std::string> bad = {
      "",
      " ",
      "null",
      "[]",
      "{}",
      "{",
      "\x00",
      R"({"defaultAction":"ALLOW"})",
      R"({"defaultAction":7})",
      R"({"defaultAction":"SCMP_ACT_NOTIFY"})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_Z80"]})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":{}})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[1]})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":[],"action":"SCMP_ACT_ALLOW"}]})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"]}]})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALOW"}]})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}]})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"op":"=="}]}]})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":-1,"op":"SCMP_CMP_EQ"}]}]})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":5000}]})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_X"]}}]})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","listenerPath":"/run/agent.sock"})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","flags":["SECCOMP_FILTER_FLAG_NEW_LISTENER"]})",
      R"({"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86_64"}]})"};
  for (const std::string& text : bad) EXPECT_FALSE(parse_seccomp_profile(text)) << text;
}

TEST(SeccompCompiler, UnknownNamesAreReportedAndDoNotOpenAnything) {
  const auto profile = parse_seccomp_filter(
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["no_such_call","exit_group"],"action":"SCMP_ACT_ALLOW"}]})");
  ASSERT_TRUE(profile);
  const auto program = compile_seccomp(*profile);
  ASSERT_TRUE(program);
  EXPECT_THAT(program->unknown_syscalls, ::testing::ElementsAre("no_such_call"));
  EXPECT_EQ(errno_under(*program, [] { return ::syscall(SYS_getpid); }), EPERM);
}

TEST(SeccompCompiler, RepeatedArgumentsAreAlternatives) {
  const auto filter = parse_seccomp_filter(R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["personality"],
    "action":"SCMP_ACT_ERRNO","errnoRet":33,"args":[{"index":0,"value":8,"op":"SCMP_CMP_EQ"},{"index":0,"value":9,"op":"SCMP_CMP_EQ"}]}]})");
  ASSERT_TRUE(filter);
  const auto program = compile_seccomp(*filter);
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ(errno_under(*program, [] { return ::syscall(SYS_personality, 8); }), 33);
  EXPECT_EQ(errno_under(*program, [] { return ::syscall(SYS_personality, 9); }), 33);
  EXPECT_EQ(errno_under(*program, [] { return ::syscall(SYS_personality, 0xffffffff); }), 0);
}

TEST(SeccompCompiler, EqualFiltersAreCompiledOnce) {
  SeccompCompiler compiler(2);
  const auto first = compiler.compile(default_filter(kDefaultCaps));
  ASSERT_TRUE(first);
  EXPECT_EQ(compiler.compile(default_filter(kDefaultCaps))->get(), first->get());
  ASSERT_TRUE(compiler.compile(default_filter(0)));
  ASSERT_TRUE(compiler.compile(default_filter(1U << CAP_SYS_ADMIN)));
  EXPECT_NE(compiler.compile(default_filter(kDefaultCaps))->get(), first->get()) << "the oldest of three was kept";
}

TEST(SeccompCompiler, ThreadsShareIt) {
  SeccompCompiler compiler(1);
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 4; ++i)
    threads.emplace_back([&compiler, i] {
      const auto filter = parse_seccomp_filter(
          R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]})");
      SeccompFilter mine = *filter;
      mine.default_errno = static_cast<unsigned>(i % 2 + 1);
      for (int n = 0; n < 50; ++n) EXPECT_TRUE(compiler.compile(mine));
    });
  for (std::thread& thread : threads) thread.join();
}

runtime::v1::LinuxContainerSecurityContext context_of(runtime::v1::SecurityProfile::ProfileType type,
                                                      const std::string& reference = "") {
  runtime::v1::LinuxContainerSecurityContext context;
  context.mutable_seccomp()->set_profile_type(type);
  context.mutable_seccomp()->set_localhost_ref(reference);
  return context;
}

using Type = runtime::v1::SecurityProfile;

TEST(SeccompStore, ChoosesByType) {
  const SeccompStore store("/nonexistent");
  EXPECT_EQ(store.choose(context_of(Type::RuntimeDefault))->get(), &default_seccomp_profile());
  EXPECT_EQ(store.choose(context_of(Type::Unconfined))->get(), nullptr);
  EXPECT_EQ(store.choose({})->get(), nullptr);
  auto privileged = context_of(Type::RuntimeDefault);
  privileged.set_privileged(true);
  EXPECT_EQ(store.choose(privileged)->get(), nullptr);
  runtime::v1::LinuxContainerSecurityContext old;
  old.set_seccomp_profile_path("runtime/default");
  EXPECT_EQ(store.choose(old)->get(), &default_seccomp_profile());
  old.set_seccomp_profile_path("docker/nonsense");
  EXPECT_FALSE(store.choose(old));
  EXPECT_FALSE(store.choose(context_of(static_cast<Type::ProfileType>(9))));
}

// CVE-2023-2431: whatever is wrong with a localhost profile, the container is refused and never unconfined.
TEST(SeccompStore, BadLocalhostProfilesAreRefused) {
  const TempDir dir;
  const std::string root = dir / "root";
  ASSERT_TRUE(make_dirs(root, 0700));
  const std::string good =
      R"({"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]})";
  ASSERT_TRUE(write_file_atomic(dir / "outside.json", good));
  ASSERT_TRUE(write_file_atomic(root + "/good.json", good));
  ASSERT_TRUE(write_file_atomic(root + "/empty.json", ""));
  ASSERT_TRUE(write_file_atomic(root + "/object.json", "{}"));
  ASSERT_TRUE(write_file_atomic(root + "/big.json", good + std::string(std::size_t{2} << 20, ' ')));
  ASSERT_EQ(::symlink("../outside.json", (root + "/link.json").c_str()), 0);
  ASSERT_EQ(::symlink((dir / "outside.json").c_str(), (root + "/absolute.json").c_str()), 0);
  ASSERT_EQ(::mkfifo((root + "/fifo.json").c_str(), 0600), 0);
  const SeccompStore store(root);
  ASSERT_TRUE(store.choose(context_of(Type::Localhost, "good.json")));
  EXPECT_NE(store.choose(context_of(Type::Localhost, "good.json"))->get(), nullptr);
  EXPECT_NE(store.choose(context_of(Type::Localhost, root + "/good.json"))->get(), nullptr);
  auto unconfined = context_of(Type::Localhost, "good.json");
  unconfined.set_privileged(true);
  ASSERT_TRUE(store.choose(unconfined));
  EXPECT_EQ(store.choose(unconfined)->get(), nullptr);
  for (const std::string& reference :
       {std::string(), std::string("empty.json"), std::string("object.json"), std::string("big.json"),
        std::string("link.json"), std::string("absolute.json"), std::string("fifo.json"), std::string("missing.json"),
        std::string("../outside.json"), root + "/../outside.json", std::string("."), std::string("/"),
        std::string("/dev/zero"), std::string("good.json\0x", 11)}) {
    const auto chosen = store.choose(context_of(Type::Localhost, reference));
    EXPECT_FALSE(chosen) << reference;
    auto privileged = context_of(Type::Localhost, reference);
    privileged.set_privileged(true);
    EXPECT_FALSE(store.choose(privileged)) << reference;
  }
}

} // namespace
} // namespace keelson::cri
