#include "base/text.hpp"
#include "cgroups/hugetlb_values.hpp"
#include "cgroups/write_plan.hpp"

#include <unistd.h>

#include <algorithm>

namespace keelson::cgroups {
namespace {

// A limit as the kernel's memparse() reads it: with an optional suffix K, M, G or T.
Result<LimitValue> parse_with_suffix(std::string_view text) {
  std::uint64_t factor = 1;
  std::string_view digits = trim(text);
  if (!digits.empty()) {
    const std::size_t power = std::string_view("kmgt").find(static_cast<char>(digits.back() | 0x20));
    if (power != std::string_view::npos) {
      factor = std::uint64_t{1} << (10 * (power + 1));
      digits.remove_suffix(1);
    }
  }
  TRY_ASSIGN(auto limit, LimitValue::parse(digits));
  if (limit.amount && __builtin_mul_overflow(*limit.amount, factor, &*limit.amount)) limit.amount.reset();
  return limit;
}

bool limits_match(std::string_view written, std::string_view actual, std::uint64_t unit) {
  const auto wanted = parse_with_suffix(written);
  const auto shown = LimitValue::parse(actual);
  if (!wanted || !shown) return false;
  if (!wanted->amount || !shown->amount) return wanted->amount == shown->amount;
  return *wanted->amount / unit * unit == *shown->amount;
}

// "2MB" of "hugetlb.2MB.rsvd.max".
std::uint64_t huge_page_of(std::string_view file) {
  const auto parts = split(file, '.');
  const auto size = parts.size() > 1 ? huge_page_size(parts[1]) : Result<Bytes>(Bytes{1});
  return size ? static_cast<std::uint64_t>(size->value) : 1;
}

bool lists_match(std::string_view written, std::string_view actual) {
  const auto wanted = CpuList::parse(written);
  const auto shown = CpuList::parse(actual);
  return wanted && shown && *wanted == *shown;
}

bool cpu_max_matches(std::string_view written, std::string_view actual) {
  const auto wanted = CpuMax::parse(written);
  const auto shown = CpuMax::parse(actual);
  if (!wanted || !shown) return false;
  const bool period_written = split_words(written).size() == 2;
  return wanted->quota == shown->quota && (!period_written || wanted->period == shown->period);
}

bool shares_match(std::string_view written, std::string_view actual) {
  const auto wanted = parse_amount(written);
  const auto shown = parse_amount(actual);
  return wanted && shown && std::clamp(*wanted, kMinCpuShares, kMaxCpuShares) == *shown;
}

// The lowest CPU shares that the linear formula turns into this weight or more.
std::uint64_t lowest_shares_of(std::uint64_t weight) {
  const std::uint64_t span = kMaxCpuShares - kMinCpuShares;
  return kMinCpuShares + ((weight - 1) * span + 9998) / 9999;
}

// The value is the linear formula's; the runtime may have made the logarithmic one's of the same shares.
bool weights_match(std::string_view written, std::string_view actual) {
  const auto wanted = parse_amount(written);
  const auto shown = parse_amount(actual);
  if (!wanted || !shown) return false;
  if (*wanted == *shown) return true;
  if (*wanted < kMinCpuWeight || *wanted > kMaxCpuWeight) return false;
  const std::uint64_t lowest = lowest_shares_of(*wanted);
  const std::uint64_t highest = std::max(lowest, std::min(lowest_shares_of(*wanted + 1) - 1, kMaxCpuShares));
  return *shown >= cpu_weight_from_shares(lowest, WeightFormula::logarithmic) &&
         *shown <= cpu_weight_from_shares(highest, WeightFormula::logarithmic);
}

bool io_weight_matches(std::string_view written, std::string_view actual) {
  const auto wanted = IoWeight::parse(written);
  const auto shown = IoWeight::parse(actual);
  if (!wanted || !shown) return false;
  for (const auto& [device, weight] : wanted->devices) {
    const auto found = shown->devices.find(device);
    if (found == shown->devices.end() || found->second != weight) return false;
  }
  return !wanted->devices.empty() || wanted->standard == shown->standard;
}

// A device without any limit is not shown.
bool io_max_matches(std::string_view written, std::string_view actual) {
  const auto wanted = parse_io_max(written);
  const auto shown = parse_io_max(actual);
  if (!wanted || !shown) return false;
  return std::all_of(wanted->begin(), wanted->end(), [&](const IoLimit& limit) {
    if (std::find(shown->begin(), shown->end(), limit) != shown->end()) return true;
    const auto same_device = [&](const IoLimit& other) { return other.device == limit.device; };
    return limit == IoLimit{limit.device} && std::none_of(shown->begin(), shown->end(), same_device);
  });
}

bool throttle_matches(std::string_view written, std::string_view actual) {
  const auto wanted = parse_device_values(written);
  const auto shown = parse_device_values(actual);
  if (!wanted || !shown) return false;
  return std::all_of(wanted->begin(), wanted->end(), [&](const auto& entry) {
    const auto found = shown->find(entry.first);
    return found == shown->end() ? entry.second == 0 : found->second == entry.second;
  });
}

bool is_memory_amount(std::string_view file) {
  return file.ends_with("_in_bytes") || file == "memory.max" || file == "memory.high" || file == "memory.low" ||
         file == "memory.min" || file == "memory.swap.max" || file == "memory.swap.high" || file == "memory.zswap.max";
}

} // namespace

bool matches(const Write& write, std::string_view actual) {
  const std::string_view file = write.file;
  if (file == "cpu.shares") return shares_match(write.value, actual);
  if (file == "cpu.weight") return weights_match(write.value, actual);
  if (file == "cpu.max") return cpu_max_matches(write.value, actual);
  if (file == "cpuset.cpus" || file == "cpuset.mems") return lists_match(write.value, actual);
  if (file.starts_with("hugetlb.")) return limits_match(write.value, actual, huge_page_of(file));
  if (is_memory_amount(file)) {
    static const auto page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    return limits_match(write.value, actual, page);
  }
  if (file == "pids.max") return limits_match(write.value, actual, 1);
  if (file == "io.max") return io_max_matches(write.value, actual);
  if (file.starts_with("blkio.throttle.")) return throttle_matches(write.value, actual);
  if (file.ends_with(".weight") && write.controller == Controller::io) return io_weight_matches(write.value, actual);
  return trim(write.value) == trim(actual);
}

} // namespace keelson::cgroups
