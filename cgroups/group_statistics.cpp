// Statistics and OOM counts of a group, from the files of either version.
#include "base/file.hpp"
#include "base/text.hpp"
#include "cgroups/core_values.hpp"
#include "cgroups/group.hpp"
#include "cgroups/group_directory.hpp"
#include "cgroups/memory_values.hpp"

#include <unistd.h>

#include <algorithm>

namespace keelson::cgroups {
namespace {

using std::chrono::nanoseconds;

// A file that the kernel or the group lacks is no error: its value stays out.
Result<std::optional<std::string>> read_optional(const Group& group, Controller controller, const std::string& file) {
  if (group.dir_of(controller) < 0) return std::optional<std::string>();
  auto text = group.read(controller, file);
  if (text) return std::optional<std::string>(std::move(*text));
  // EOPNOTSUPP: pressure stall information is switched off (psi=0).
  if (text.error().sys_errno == ENOENT || text.error().sys_errno == EOPNOTSUPP) return std::optional<std::string>();
  return Fail(std::move(text).error());
}

Result<std::optional<std::uint64_t>> read_amount(const Group& group, Controller controller, const std::string& file) {
  TRY_ASSIGN(const auto text, read_optional(group, controller, file));
  if (!text) return std::optional<std::uint64_t>();
  auto amount = parse_amount(*text);
  if (!amount) return Fail(std::move(amount).error().context(group.full_path(controller, file)));
  return std::optional<std::uint64_t>(*amount);
}

Result<std::optional<std::uint64_t>> read_limit(const Group& group, Controller controller, const std::string& file) {
  TRY_ASSIGN(const auto text, read_optional(group, controller, file));
  if (!text) return std::optional<std::uint64_t>();
  auto limit = LimitValue::parse(*text);
  if (!limit) return Fail(std::move(limit).error().context(group.full_path(controller, file)));
  return limit->amount;
}

Result<std::optional<Pressure>> read_pressure(const Group& group, const std::string& file) {
  TRY_ASSIGN(const auto text, read_optional(group, Controller::core, file));
  if (!text) return std::optional<Pressure>();
  auto pressure = Pressure::parse(*text);
  if (!pressure) return Fail(std::move(pressure).error().context(group.full_path(Controller::core, file)));
  return std::optional<Pressure>(*pressure);
}

nanoseconds nanos(const std::optional<std::uint64_t>& amount) {
  return nanoseconds(static_cast<std::int64_t>(amount.value_or(0)));
}

Result<std::optional<CpuStat>> read_cpu_stat(const Group& group, Controller controller) {
  TRY_ASSIGN(const auto text, read_optional(group, controller, "cpu.stat"));
  if (!text) return std::optional<CpuStat>();
  auto stat = CpuStat::parse(*text);
  if (!stat) return Fail(std::move(stat).error().context(group.full_path(controller, "cpu.stat")));
  return std::optional<CpuStat>(*stat);
}

Result<> add_cpuacct(const Group& group, CpuUsage& cpu) {
  TRY_ASSIGN(const auto usage, read_amount(group, Controller::cpuacct, "cpuacct.usage"));
  TRY_ASSIGN(const auto user, read_amount(group, Controller::cpuacct, "cpuacct.usage_user"));
  TRY_ASSIGN(const auto system, read_amount(group, Controller::cpuacct, "cpuacct.usage_sys"));
  cpu.usage = nanos(usage);
  cpu.user = nanos(user);
  cpu.system = nanos(system);
  if (user && system) return {};
  TRY_ASSIGN(const auto text, read_optional(group, Controller::cpuacct, "cpuacct.stat"));
  if (!text) return {};
  TRY_ASSIGN(const auto ticks, CpuAcctStat::parse(*text));
  const auto tick = nanoseconds(std::chrono::seconds(1)) / sysconf(_SC_CLK_TCK);
  constexpr std::uint64_t kMostTicks = std::uint64_t{1} << 37; // 43 years at 100 Hz
  cpu.user = tick * static_cast<std::int64_t>(std::min(ticks.user_ticks, kMostTicks));
  cpu.system = tick * static_cast<std::int64_t>(std::min(ticks.system_ticks, kMostTicks));
  return {};
}

Result<std::optional<CpuUsage>> read_cpu(const Group& group) {
  const auto& layout = group.hierarchy().layout();
  const bool v1 =
      layout.version_of(Controller::cpu) == Version::v1 || layout.version_of(Controller::cpuacct) == Version::v1;
  // v2 shows usage without the controller, too.
  TRY_ASSIGN(const auto stat, read_cpu_stat(group, v1 ? Controller::cpu : Controller::core));
  if (!stat && group.dir_of(Controller::cpuacct) < 0) return std::optional<CpuUsage>();
  const CpuStat known = stat.value_or(CpuStat());
  CpuUsage cpu{known.usage, known.user, known.system, known.periods, known.throttled_periods, known.throttled, {}};
  if (v1) TRY(add_cpuacct(group, cpu));
  TRY_ASSIGN(cpu.pressure, read_pressure(group, "cpu.pressure"));
  return std::optional<CpuUsage>(cpu);
}

struct MemoryFiles {
  const char* usage;
  const char* limit;
  const char* peak;
};

Result<std::optional<MemoryUsage>> read_memory(const Group& group) {
  const bool v1 = group.hierarchy().layout().version_of(Controller::memory) == Version::v1;
  const MemoryFiles files =
      v1 ? MemoryFiles{"memory.usage_in_bytes", "memory.limit_in_bytes", "memory.max_usage_in_bytes"}
         : MemoryFiles{"memory.current", "memory.max", "memory.peak"};
  TRY_ASSIGN(const auto usage, read_amount(group, Controller::memory, files.usage));
  TRY_ASSIGN(const auto text, read_optional(group, Controller::memory, "memory.stat"));
  if (!usage || !text) return std::optional<MemoryUsage>();
  auto stat = v1 ? MemoryStat::parse_v1(*text) : MemoryStat::parse_v2(*text);
  if (!stat) return Fail(std::move(stat).error().context(group.full_path(Controller::memory, "memory.stat")));
  MemoryUsage memory;
  memory.usage = *usage;
  memory.working_set = working_set(*usage, *stat);
  memory.rss = stat->anon;
  memory.cache = stat->file;
  memory.swap = stat->swap;
  memory.page_faults = stat->page_faults;
  memory.major_page_faults = stat->major_page_faults;
  TRY_ASSIGN(memory.limit, read_limit(group, Controller::memory, files.limit));
  TRY_ASSIGN(memory.peak, read_amount(group, Controller::memory, files.peak));
  if (!v1) {
    TRY_ASSIGN(const auto swap, read_amount(group, Controller::memory, "memory.swap.current"));
    memory.swap = swap.value_or(0);
  }
  TRY_ASSIGN(memory.pressure, read_pressure(group, "memory.pressure"));
  return std::optional<MemoryUsage>(memory);
}

Result<std::optional<PidsUsage>> read_pids(const Group& group) {
  TRY_ASSIGN(const auto current, read_amount(group, Controller::pids, "pids.current"));
  if (!current) return std::optional<PidsUsage>();
  PidsUsage pids;
  pids.current = *current;
  TRY_ASSIGN(pids.limit, read_limit(group, Controller::pids, "pids.max"));
  return std::optional<PidsUsage>(pids);
}

Result<std::optional<std::map<DeviceNumber, BlkioCount>>> read_blkio(const Group& group, const std::string& file) {
  using Counts = std::optional<std::map<DeviceNumber, BlkioCount>>;
  TRY_ASSIGN(auto text, read_optional(group, Controller::io, file + "_recursive"));
  if (!text) {
    TRY_ASSIGN(text, read_optional(group, Controller::io, file));
  }
  if (!text) return Counts();
  auto counts = parse_blkio_counts(*text);
  if (!counts) return Fail(std::move(counts).error().context(group.full_path(Controller::io, file)));
  return Counts(std::move(*counts));
}

Result<std::optional<IoUsage>> read_io_v1(const Group& group) {
  TRY_ASSIGN(const auto bytes, read_blkio(group, "blkio.throttle.io_service_bytes"));
  TRY_ASSIGN(const auto ops, read_blkio(group, "blkio.throttle.io_serviced"));
  if (!bytes || !ops) return std::optional<IoUsage>();
  std::map<DeviceNumber, IoDeviceStat> devices;
  for (const auto& [device, count] : *bytes) {
    devices[device].read_bytes = count.reads;
    devices[device].write_bytes = count.writes;
  }
  for (const auto& [device, count] : *ops) {
    devices[device].read_ops = count.reads;
    devices[device].write_ops = count.writes;
  }
  IoUsage usage;
  for (auto& [device, stat] : devices) {
    stat.device = device;
    usage.devices.push_back(stat);
  }
  return std::optional<IoUsage>(usage);
}

Result<std::optional<IoUsage>> read_io(const Group& group) {
  std::optional<IoUsage> usage;
  if (group.hierarchy().layout().version_of(Controller::io) == Version::v1) {
    TRY_ASSIGN(usage, read_io_v1(group));
  } else {
    TRY_ASSIGN(const auto text, read_optional(group, Controller::io, "io.stat"));
    if (text) {
      usage.emplace();
      auto devices = parse_io_stat(*text);
      if (!devices) return Fail(std::move(devices).error().context(group.full_path(Controller::io, "io.stat")));
      usage->devices = std::move(*devices);
    }
  }
  if (!usage) return usage;
  TRY_ASSIGN(usage->pressure, read_pressure(group, "io.pressure"));
  return usage;
}

Result<std::map<std::string, std::uint64_t>> read_hugetlb(const Group& group) {
  std::map<std::string, std::uint64_t> usage;
  const int dir = group.dir_of(Controller::hugetlb);
  if (dir < 0) return usage;
  const bool v1 = group.hierarchy().layout().version_of(Controller::hugetlb) == Version::v1;
  TRY_ASSIGN(const auto files, list_dir_at(dir, "."));
  for (const std::string& file : files) {
    const auto parts = split(file, '.');
    if (parts.size() != 3 || parts[0] != "hugetlb" || parts[2] != (v1 ? "usage_in_bytes" : "current")) continue;
    TRY_ASSIGN(const auto amount, read_amount(group, Controller::hugetlb, file));
    if (amount) usage[std::string(parts[1])] = *amount;
  }
  return usage;
}

} // namespace

Result<Statistics> Group::statistics() const {
  Statistics all;
  TRY_ASSIGN(all.cpu, read_cpu(*this));
  TRY_ASSIGN(all.memory, read_memory(*this));
  TRY_ASSIGN(all.pids, read_pids(*this));
  TRY_ASSIGN(all.io, read_io(*this));
  TRY_ASSIGN(all.hugetlb, read_hugetlb(*this));
  return all;
}

Result<std::uint64_t> Group::oom_kill_count() const {
  const int dir = dir_of(Controller::memory);
  if (dir < 0) return fail(Code::unimplemented, "cgroup {} has no memory controller", path_);
  if (hierarchy_->layout().version_of(Controller::memory) == Version::v2) {
    TRY_ASSIGN(const std::string text, read(Controller::memory, "memory.events"));
    TRY_ASSIGN(const auto events, MemoryEvents::parse(text));
    return events.oom_kill;
  }
  std::uint64_t count = 0;
  bool seen = false;
  WalkVisitor visitor;
  visitor.inside = [&](int group) -> Result<> {
    auto text = read_group_file(group, "memory.oom_control");
    if (!text && is_gone(text.error())) return {};
    if (!text) return Fail(std::move(text).error());
    TRY_ASSIGN(const auto control, OomControl::parse(*text));
    count += control.oom_kill;
    seen = true;
    return {};
  };
  TRY(walk_bottom_up(dir, visitor));
  if (!seen) return fail_errno(ENOENT, "{}", full_path(Controller::memory, "memory.oom_control"));
  return count;
}

} // namespace keelson::cgroups
