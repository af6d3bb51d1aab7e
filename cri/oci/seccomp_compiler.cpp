#include "cri/oci/seccomp_compiler.hpp"

#include "base/file.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "cri/oci/seccomp_names.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <type_traits>

namespace keelson::cri {
namespace {

constexpr std::size_t kMaxProgram = std::size_t{4090} * 8; // room for the stub; BPF_MAXINSNS instructions of 8 bytes

struct ReleaseFilter {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<std::remove_pointer_t<scmp_filter_ctx>, ReleaseFilter>;

Result<std::uint32_t> action_value(const std::string& action, std::optional<unsigned> errno_ret) {
  const auto* word = seccomp::find_word(seccomp::kActions, action);
  if (word == nullptr) return fail(Code::invalid_argument, "seccomp action \"{}\" is unknown", printable(action, 64));
  // Without a number: EPERM, as the OCI runtimes have it.
  if (action == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(errno_ret.value_or(EPERM));
  if (action == "SCMP_ACT_TRACE") return SCMP_ACT_TRACE(errno_ret.value_or(EPERM));
  return word->value;
}

Result<> add_architectures(scmp_filter_ctx context, const SeccompFilter& filter) {
  for (const std::string& name : filter.architectures) {
    const auto* word = seccomp::find_word(seccomp::kArchitectures, name);
    if (word == nullptr) return fail(Code::invalid_argument, "architecture \"{}\" is unknown", printable(name, 64));
    const int status = seccomp_arch_add(context, word->value);
    if (status < 0 && status != -EEXIST) return fail_errno(-status, "add seccomp architecture {}", name);
  }
  return {};
}

Result<std::vector<scmp_arg_cmp>> arguments_of(const SeccompRule& rule) {
  std::vector<scmp_arg_cmp> args;
  for (const SeccompArg& arg : rule.args) {
    const auto* op = seccomp::find_word(seccomp::kOperators, arg.op);
    if (op == nullptr) return fail(Code::invalid_argument, "operator \"{}\" is unknown", printable(arg.op, 64));
    args.push_back({arg.index, op->value, arg.value, arg.value_two});
  }
  return args;
}

// Several comparisons of one argument cannot stand in one libseccomp rule; OCI runtimes then add one rule for each.
bool repeats_an_argument(const SeccompRule& rule) {
  unsigned seen = 0;
  for (const SeccompArg& arg : rule.args) {
    const unsigned flag = 1U << (arg.index & 31U);
    if ((seen & flag) != 0) return true;
    seen |= flag;
  }
  return false;
}

Result<> add_call(scmp_filter_ctx context, const SeccompRule& rule, std::uint32_t action, int number) {
  TRY_ASSIGN(const std::vector<scmp_arg_cmp> args, arguments_of(rule));
  int status = 0;
  if (repeats_an_argument(rule)) {
    for (const scmp_arg_cmp& arg : args)
      if (status == 0 || status == -EEXIST) status = seccomp_rule_add_array(context, action, number, 1, &arg);
  } else {
    status = seccomp_rule_add_array(context, action, number, static_cast<unsigned>(args.size()), args.data());
  }
  // EEXIST: an equal or a wider rule is there already.
  if (status < 0 && status != -EEXIST) return fail_errno(-status, "add a rule");
  return {};
}

Result<> add_rule(scmp_filter_ctx context, const SeccompFilter& filter, const SeccompRule& rule,
                  SeccompProgram& program) {
  TRY_ASSIGN(const std::uint32_t action, action_value(rule.action, rule.errno_ret));
  TRY_ASSIGN(const std::uint32_t default_action, action_value(filter.default_action, filter.default_errno));
  if (action == default_action) return {}; // libseccomp refuses rules that change nothing
  for (const std::string& name : rule.names) {
    const int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) {
      program.unknown_syscalls.push_back(name);
      continue;
    }
    TRY_CONTEXT(add_call(context, rule, action, number), "system call {}", printable(name, 64));
  }
  return {};
}

// The highest number that a rule names for the native architecture.
int last_known_call(const SeccompFilter& filter) {
  int last = -1;
  for (const SeccompRule& rule : filter.rules)
    for (const std::string& name : rule.names) last = std::max(last, seccomp_syscall_resolve_name(name.c_str()));
  return last;
}

// System calls newer than every one that the profile knows answer ENOSYS instead of the default error, as runc has it
// since 1.0.0-rc93: C libraries then fall back to older calls, but treat EPERM as final.
std::string newer_calls_stub(const SeccompFilter& filter) {
  const bool denies = filter.default_action != "SCMP_ACT_ALLOW" && filter.default_action != "SCMP_ACT_LOG";
  const int last = last_known_call(filter);
  if (!denies || last < 0) return {};
  constexpr std::uint32_t kX32Bit = 0x40000000; // __X32_SYSCALL_BIT; no other architecture has numbers that high
  const auto load = [](std::size_t offset) {
    return sock_filter{BPF_LD | BPF_W | BPF_ABS, 0, 0, static_cast<std::uint32_t>(offset)};
  };
  const std::array<sock_filter, 6> stub = {
      load(offsetof(seccomp_data, arch)),
      sock_filter{BPF_JMP | BPF_JEQ | BPF_K, 0, 4, seccomp_arch_native()},
      load(offsetof(seccomp_data, nr)),
      sock_filter{BPF_JMP | BPF_JGE | BPF_K, 2, 0, kX32Bit},
      sock_filter{BPF_JMP | BPF_JGT | BPF_K, 0, 1, static_cast<std::uint32_t>(last)},
      sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS},
  };
  return {reinterpret_cast<const char*>(stub.data()), sizeof(stub)};
}

Result<std::string> export_bpf(scmp_filter_ctx context) {
  const UniqueFd memory(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!memory) return fail_errno(errno, "memfd_create for a seccomp program");
  if (const int status = seccomp_export_bpf(context, memory.get()); status < 0)
    return fail_errno(-status, "compile the seccomp filter");
  if (::lseek(memory.get(), 0, SEEK_SET) != 0) return fail_errno(errno, "rewind the seccomp program");
  auto bpf = read_all(memory.get(), kMaxProgram);
  if (!bpf) return Fail(std::move(bpf).error().context("seccomp filter with more than 4096 instructions"));
  return bpf;
}

} // namespace

Result<SeccompProgram> compile_seccomp(const SeccompFilter& filter) {
  TRY_ASSIGN(const std::uint32_t default_action, action_value(filter.default_action, filter.default_errno));
  const Filter context(seccomp_init(default_action));
  if (!context) return fail(Code::invalid_argument, "libseccomp refuses {} as default action", filter.default_action);
  // A binary tree instead of a list: system calls cost some ten instructions instead of hundreds.
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  TRY(add_architectures(context.get(), filter));
  SeccompProgram program;
  for (std::size_t i = 0; i < filter.rules.size(); ++i)
    TRY_CONTEXT(add_rule(context.get(), filter, filter.rules[i], program), "seccomp rule {}", i);
  for (const std::string& flag : filter.flags) {
    const auto* word = seccomp::find_word(seccomp::kFlags, flag);
    if (word == nullptr) return fail(Code::invalid_argument, "seccomp flag \"{}\" is unknown", printable(flag, 64));
    program.flags |= word->value;
  }
  TRY_ASSIGN(const std::string rules, export_bpf(context.get()));
  program.bpf = newer_calls_stub(filter) + rules;
  return program;
}

Result<std::shared_ptr<const SeccompProgram>> SeccompCompiler::compile(const SeccompFilter& filter) {
  std::string key = seccomp_filter_json(filter);
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = by_key_.find(key); at != by_key_.end()) {
      entries_.splice(entries_.begin(), entries_, at->second);
      return at->second->second;
    }
  }
  TRY_ASSIGN(SeccompProgram compiled, compile_seccomp(filter));
  auto program = std::make_shared<const SeccompProgram>(std::move(compiled));
  const std::lock_guard lock(mutex_);
  if (by_key_.contains(key)) return program;
  entries_.emplace_front(key, program);
  by_key_.emplace(std::move(key), entries_.begin());
  if (entries_.size() > max_entries_) {
    by_key_.erase(entries_.back().first);
    entries_.pop_back();
  }
  return program;
}

} // namespace keelson::cri
