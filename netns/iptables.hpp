// Running iptables-restore --noflush: one atomic transaction of one table set per call. Knows nothing of what rules
// mean.
#pragma once

#include "base/error.hpp"
#include "base/time.hpp"
#include "netns/ip_address.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace keelson::netns {

struct IptablesConfig {
  // Looked up in PATH if without a slash. Both backends work: iptables-nft-restore, iptables-legacy-restore.
  std::string restore4 = "iptables-restore";
  std::string restore6 = "ip6tables-restore";
  std::string conntrack = "conntrack"; // deletes UDP flows of a removed host port; missing: they time out by themselves
  std::string chain_prefix = "KEELSON"; // at most 12 of A-Z, 0-9 and -
  std::chrono::seconds lock_wait{30};   // for the xtables lock
};

// Thread-safe: the kernel (nft) or the xtables lock (legacy) serialises.
class Iptables {
 public:
  explicit Iptables(IptablesConfig config)
      : config_(std::move(config)) {}
  const IptablesConfig& config() const { return config_; }

  // Whether the program for the family runs; failed_precondition says which is missing and what to install.
  Result<> probe(Family family) const;

  // Feeds the text to the program. All of a table's lines are applied or none. The error has the line that was refused.
  Result<> restore(Family family, std::string_view text, Deadline deadline) const;

 private:
  IptablesConfig config_;
};

} // namespace keelson::netns
