#include "netns/address_pool.hpp"

#include "base/file.hpp"
#include "base/text.hpp"

#include <algorithm>

namespace keelson::netns {
namespace {

constexpr std::size_t kMaxId = 256;

std::string next_file(const std::string& dir, const IpPrefix& prefix) {
  return fmt::format("{}/next.{}-{}", dir, prefix.address().text(), prefix.length());
}

// The first address that may be given to a pod: after the gateway.
IpAddress first_of(const IpPrefix& prefix) {
  return prefix.first_host().next();
}

IpAddress after(const IpPrefix& prefix, const IpAddress& address) {
  const IpAddress next = address.next();
  return next == prefix.last() ? first_of(prefix) : next;
}

bool may_give(const IpPrefix& prefix, const IpAddress& address) {
  return prefix.contains(address) && address >= first_of(prefix) && address < prefix.last();
}

// Only a hint: lost or torn, addresses are reused earlier, but never twice. Overwritten in place, because a rename
// costs the removal of an inode for each pod.
void write_hint(const std::string& path, const IpAddress& next) {
  const auto file = open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_NOFOLLOW, 0600);
  if (file) static_cast<void>(write_all(file->get(), fmt::format("{:<39}\n", next.text())));
}

Result<> check_ranges(const std::vector<IpPrefix>& ranges) {
  if (ranges.empty()) return fail(Code::invalid_argument, "no address range for pods is configured");
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].length() + 2 > ranges[i].address().bits() || ranges[i].length() == 0)
      return fail(Code::invalid_argument, "pod range {}: it must have at least four addresses, and not all there are",
                  ranges[i].text());
    for (std::size_t j = 0; j < i; ++j)
      if (ranges[i].overlaps(ranges[j]))
        return fail(Code::invalid_argument, "pod ranges {} and {} overlap", ranges[j].text(), ranges[i].text());
  }
  return {};
}

} // namespace

Result<AddressPool> AddressPool::open(const std::string& dir, const std::vector<IpPrefix>& ranges) {
  TRY(check_ranges(ranges));
  TRY_CONTEXT(make_dirs(dir, 0700), "address reservations");
  AddressPool pool;
  pool.dir_ = dir;
  for (const IpPrefix& prefix : ranges) {
    IpAddress next = first_of(prefix);
    if (const auto text = read_file(next_file(dir, prefix), kMaxId)) {
      const auto stored = IpAddress::parse(trim(*text));
      if (stored && may_give(prefix, *stored)) next = *stored;
    }
    pool.ranges_.push_back({prefix, next});
    if (std::find(pool.families_.begin(), pool.families_.end(), prefix.family()) == pool.families_.end())
      pool.families_.push_back(prefix.family());
  }
  TRY(pool.load());
  return pool;
}

Result<> AddressPool::load() {
  TRY_ASSIGN(const auto names, list_dir(dir_));
  for (const std::string& name : names) {
    const auto address = IpAddress::parse(name);
    if (!address) continue;
    // A file that cannot be read keeps its address reserved until reconcile: never given twice.
    const auto text = read_file(dir_ + "/" + name, kMaxId);
    owners_[*address] = text ? std::string(trim(*text)) : std::string();
  }
  return {};
}

Result<bool> AddressPool::claim(const IpAddress& address, const std::string& sandbox_id) {
  const std::string path = dir_ + "/" + address.text();
  auto file = open_at(AT_FDCWD, path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0600);
  if (!file && file.error().sys_errno == EEXIST) {
    // Not in memory: another process made it. It stays reserved.
    const auto text = read_file(path, kMaxId);
    owners_[address] = text ? std::string(trim(*text)) : std::string();
    return false;
  }
  if (!file) return Fail(std::move(file).error().context("reserve a pod address"));
  if (auto written = write_all(file->get(), sandbox_id); !written) {
    static_cast<void>(remove_file_at(AT_FDCWD, path));
    return Fail(std::move(written).error().context(fmt::format("reserve pod address {}", address.text())));
  }
  owners_[address] = sandbox_id;
  return true;
}

Result<IpAddress> AddressPool::reserve_in(Range& range, const std::string& sandbox_id) {
  const IpAddress start = range.next;
  IpAddress address = start;
  do {
    if (!owners_.contains(address)) {
      TRY_ASSIGN(const bool mine, claim(address, sandbox_id));
      if (mine) {
        range.next = after(range.prefix, address);
        write_hint(next_file(dir_, range.prefix), range.next);
        return address;
      }
    }
    address = after(range.prefix, address);
  } while (address != start);
  return fail(Code::resource_exhausted, "all addresses of pod range {} are in use", range.prefix.text());
}

Result<IpAddress> AddressPool::reserve_family(Family family, const std::string& sandbox_id) {
  std::vector<std::string> full;
  for (Range& range : ranges_) {
    if (range.prefix.family() != family) continue;
    auto address = reserve_in(range, sandbox_id);
    if (address || address.error().sys_errno != 0) return address;
    full.push_back(range.prefix.text());
  }
  return fail(Code::resource_exhausted,
              "no free pod address: all of {} are in use ({} addresses reserved); remove pods or add a range",
              join(full, ", "), owners_.size());
}

Result<std::vector<IpAddress>> AddressPool::reserve(const std::string& sandbox_id) {
  if (sandbox_id.empty() || sandbox_id.size() > kMaxId)
    return fail(Code::invalid_argument, "\"{}\" is no sandbox id", printable(sandbox_id));
  const std::lock_guard lock(*mutex_);
  std::vector<IpAddress> addresses;
  for (const Family family : families_) {
    const auto held = std::find_if(owners_.begin(), owners_.end(), [&](const auto& entry) {
      return entry.second == sandbox_id && entry.first.family() == family;
    });
    if (held != owners_.end()) {
      addresses.push_back(held->first);
      continue;
    }
    auto address = reserve_family(family, sandbox_id);
    if (!address) {
      static_cast<void>(release_locked(sandbox_id));
      return Fail(std::move(address).error());
    }
    addresses.push_back(*address);
  }
  return addresses;
}

Result<> AddressPool::adopt(const IpAddress& address, const std::string& sandbox_id) {
  const std::lock_guard lock(*mutex_);
  const auto found = owners_.find(address);
  if (found != owners_.end() && found->second == sandbox_id) return {};
  if (found != owners_.end() && !found->second.empty())
    return fail(Code::already_exists, "pod address {} is reserved by sandbox {}", address.text(), found->second);
  if (found != owners_.end()) TRY(release_locked(std::string())); // half-made reservations, this one among them
  TRY(claim(address, sandbox_id));
  return {};
}

Result<> AddressPool::release(const std::string& sandbox_id) {
  const std::lock_guard lock(*mutex_);
  return release_locked(sandbox_id);
}

Result<> AddressPool::release_locked(const std::string& sandbox_id) {
  for (auto it = owners_.begin(); it != owners_.end();) {
    if (it->second != sandbox_id) {
      ++it;
      continue;
    }
    TRY_CONTEXT(remove_file_at(AT_FDCWD, dir_ + "/" + it->first.text()), "release pod address {}", it->first.text());
    it = owners_.erase(it);
  }
  return {};
}

Result<std::size_t> AddressPool::release_others(const std::set<std::string>& sandbox_ids) {
  const std::lock_guard lock(*mutex_);
  std::set<std::string> gone;
  std::size_t released = 0;
  for (const auto& [address, owner] : owners_) {
    if (sandbox_ids.contains(owner)) continue;
    gone.insert(owner);
    ++released;
  }
  for (const std::string& owner : gone) TRY(release_locked(owner));
  return released;
}

std::vector<IpAddress> AddressPool::addresses_of(const std::string& sandbox_id) const {
  const std::lock_guard lock(*mutex_);
  std::vector<IpAddress> addresses;
  for (const Family family : families_)
    for (const auto& [address, owner] : owners_)
      if (owner == sandbox_id && address.family() == family) addresses.push_back(address);
  return addresses;
}

IpAddress AddressPool::gateway_of(const IpAddress& address) const {
  const IpPrefix* fallback = nullptr;
  for (const Range& range : ranges_) {
    if (range.prefix.contains(address)) return range.prefix.first_host();
    if (fallback == nullptr && range.prefix.family() == address.family()) fallback = &range.prefix;
  }
  return fallback != nullptr ? fallback->first_host() : address;
}

std::size_t AddressPool::size() const {
  const std::lock_guard lock(*mutex_);
  return owners_.size();
}

} // namespace keelson::netns
