// Seccomp filters as BPF programs, by libseccomp, for processes that Keelson itself starts in a container (native
// exec).
#pragma once

#include "cri/oci/seccomp_profile.hpp"

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace keelson::cri {

struct SeccompProgram {
  std::string bpf;    // array of struct sock_filter (linux/filter.h), for seccomp(SECCOMP_SET_MODE_FILTER)
  unsigned flags = 0; // SECCOMP_FILTER_FLAG_*
  std::vector<std::string> unknown_syscalls; // names that this libseccomp does not know: they get the default action
};

// Compiles without a cache: 1 to 20 ms. invalid_argument names what libseccomp refuses.
Result<SeccompProgram> compile_seccomp(const SeccompFilter& filter);

// Caches programs by content, the last used ones first. Any thread; two threads may compile the same filter at once.
class SeccompCompiler {
 public:
  explicit SeccompCompiler(std::size_t max_entries = 64)
      : max_entries_(max_entries) {}
  Result<std::shared_ptr<const SeccompProgram>> compile(const SeccompFilter& filter);

 private:
  using Entry = std::pair<std::string, std::shared_ptr<const SeccompProgram>>;
  std::size_t max_entries_;
  std::mutex mutex_; // guards entries_ and by_key_
  std::list<Entry> entries_;
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
};

} // namespace keelson::cri
