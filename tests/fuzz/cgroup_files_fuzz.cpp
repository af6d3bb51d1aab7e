// Every parser of cgroup and proc files on any bytes. What a parser accepts and format() can write must mean the same
// when it is read again.
#include "cgroups/core_values.hpp"
#include "cgroups/cpu_list.hpp"
#include "cgroups/cpu_values.hpp"
#include "cgroups/group_name.hpp"
#include "cgroups/hugetlb_values.hpp"
#include "cgroups/io_values.hpp"
#include "cgroups/memory_values.hpp"
#include "cgroups/proc_values.hpp"

#include <cstdlib>

namespace {

using namespace keelson;
using namespace keelson::cgroups;

void check(bool holds) {
  if (!holds) std::abort();
}

template <class Value>
void round_trip(const Result<Value>& value) {
  if (!value) return;
  const auto again = Value::parse(format(*value));
  check(again.has_value() && *again == *value);
}

void parse_values(std::string_view text) {
  round_trip(CpuMax::parse(text));
  round_trip(CpuList::parse(text));
  round_trip(LimitValue::parse(text));
  round_trip(DeviceNumber::parse(text));
  round_trip(SystemdCgroupsPath::parse(text));
  if (const auto limits = parse_io_max(text))
    for (const auto& limit : *limits) {
      const auto again = parse_io_max(format(limit));
      check(again.has_value() && again->size() == 1 && again->front() == limit);
    }
  if (const auto size = huge_page_size(text)) check(huge_page_name(*size).has_value());
}

void parse_files(std::string_view text) {
  (void)GroupEvents::parse(text).has_value();
  (void)parse_procs(text).has_value();
  (void)parse_freezer_state(text).has_value();
  (void)Pressure::parse(text).has_value();
  (void)CpuStat::parse(text).has_value();
  (void)CpuAcctStat::parse(text).has_value();
  (void)MemoryEvents::parse(text).has_value();
  (void)OomControl::parse(text).has_value();
  (void)parse_amount(text).has_value();
  if (const auto stat = MemoryStat::parse_v1(text)) check(working_set(stat->file, *stat) <= stat->file);
  if (const auto stat = MemoryStat::parse_v2(text)) check(working_set(stat->file, *stat) <= stat->file);
  (void)IoWeight::parse(text).has_value();
  (void)parse_io_stat(text).has_value();
  (void)parse_blkio_counts(text).has_value();
  (void)parse_device_values(text).has_value();
  (void)parse_mountinfo(text).has_value();
  (void)parse_membership(text).has_value();
}

void parse_names(std::string_view text) {
  if (const auto name = GroupName::parse(text)) {
    const auto again = GroupName::parse(name->cgroupfs_path());
    check(again.has_value() && *again == *name);
    for (const auto& part : name->parts()) check(part != ".." && part.find('/') == std::string::npos);
    (void)slice_of(*name).has_value();
  }
  (void)slice_path(text).has_value();
  (void)slice_from_path(text).has_value();
  (void)name_of_slice(text).has_value();
  if (const auto path = SystemdCgroupsPath::parse(text)) (void)path_of(*path).has_value();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  parse_values(text);
  parse_files(text);
  parse_names(text);
  return 0;
}
