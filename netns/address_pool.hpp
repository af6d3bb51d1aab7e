// Which pod address belongs to which sandbox. One file per address, made with O_EXCL, that holds the sandbox' id:
//
//   <dir>/10.88.0.5          "3f1c…"     reserved; empty: its maker died between two calls, reconcile frees it
//   <dir>/next.10.88.0.0-16  "10.88.0.6" where the search for the next address of a range begins
//
// The files are the truth and survive the daemon; a copy in memory answers questions.
#pragma once

#include "base/error.hpp"
#include "netns/ip_address.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace keelson::netns {

// Thread-safe. Addresses are given in ascending order through the whole range before one is given again, so that what
// still talks to a pod that is gone does not meet another one. The network address, the first host (the gateway) and
// the last address of a range are never given.
class AddressPool {
 public:
  // Makes the directory. invalid_argument for no range, overlapping or too small ones (at least four addresses).
  static Result<AddressPool> open(const std::string& dir, const std::vector<IpPrefix>& ranges);

  // One address of each family that has ranges, in their order; all or none. The same sandbox gets the same ones again.
  // resource_exhausted names the ranges that are full.
  Result<std::vector<IpAddress>> reserve(const std::string& sandbox_id);

  // Reserves a certain address for a sandbox that has it by its record. already_exists names another holder.
  Result<> adopt(const IpAddress& address, const std::string& sandbox_id);

  Result<> release(const std::string& sandbox_id); // succeeds if it holds none

  // Frees every address whose sandbox is not in the set; returns how many.
  Result<std::size_t> release_others(const std::set<std::string>& sandbox_ids);

  std::vector<IpAddress> addresses_of(const std::string& sandbox_id) const;
  IpAddress gateway_of(const IpAddress& address) const; // of the range that it lies in, else the family's first
  std::size_t size() const;                             // reserved addresses

 private:
  struct Range {
    IpPrefix prefix;
    IpAddress next;
  };

  AddressPool() = default;
  Result<> load();
  Result<IpAddress> reserve_in(Range& range, const std::string& sandbox_id);
  Result<IpAddress> reserve_family(Family family, const std::string& sandbox_id);
  Result<bool> claim(const IpAddress& address, const std::string& sandbox_id);
  Result<> release_locked(const std::string& sandbox_id);

  std::string dir_;
  std::vector<Family> families_;
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>(); // guards what follows and the files
  std::vector<Range> ranges_;
  std::map<IpAddress, std::string> owners_;
};

} // namespace keelson::netns
