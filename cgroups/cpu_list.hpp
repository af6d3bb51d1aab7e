// Lists of CPUs or memory nodes as cpuset files have them: "0-3,7". Pure: no system calls. Format: the "List format" of
// cpuset(7).
#pragma once

#include "base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cgroups {

// Sorted, without repetitions. The empty list is a value: the kernel shows it as an empty line.
class CpuList {
 public:
  CpuList() = default;
  explicit CpuList(std::vector<std::uint32_t> ids);
  // Takes ids up to 65535, reversed ranges are refused. Strides ("0-10:2/4") are not written by the kernel and refused.
  static Result<CpuList> parse(std::string_view text);

  const std::vector<std::uint32_t>& ids() const { return ids_; }
  bool empty() const { return ids_.empty(); }
  bool contains(std::uint32_t id) const;
  bool contains_all(const CpuList& other) const;
  bool operator==(const CpuList&) const = default;

 private:
  std::vector<std::uint32_t> ids_;
};
std::string format(const CpuList& value);

} // namespace keelson::cgroups
