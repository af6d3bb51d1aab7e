// Knobs into kernel files and back.
#include "base/text.hpp"
#include "cgroups/group.hpp"
#include "cgroups/group_directory.hpp"
#include "cgroups/memory_values.hpp"

namespace keelson::cgroups {
namespace {

// What the errno alone does not say.
std::string_view advice(const Write& write, int sys_errno) {
  if (sys_errno == ENOENT)
    return " (the controller is not enabled for this group, or the kernel is built without this file)";
  if (sys_errno == EBUSY && write.knob == Knob::memory_limit) return " (the group uses more than that)";
  if (sys_errno == EINVAL && write.file == "cpu.cfs_quota_us")
    return " (a quota is at least 1000 and, relative to the period, at most the parent group's)";
  if (write.controller == Controller::cpuset) return " (it must be within the parent's and cover the children's)";
  return "";
}

Result<std::string> trimmed(Result<std::string> text) {
  if (!text) return text;
  return std::string(trim(*text));
}

} // namespace

Result<CurrentLimits> Group::current_limits() const {
  CurrentLimits limits;
  const auto& layout = hierarchy_->layout();
  if (layout.version_of(Controller::memory) == Version::v1 && dir_of(Controller::memory) >= 0) {
    TRY_ASSIGN(const std::string memory, read(Controller::memory, "memory.limit_in_bytes"));
    TRY_ASSIGN(limits.memory, LimitValue::parse(memory));
    // Absent without swap accounting.
    if (const auto sum = read(Controller::memory, "memory.memsw.limit_in_bytes")) {
      TRY_ASSIGN(limits.memory_and_swap, LimitValue::parse(*sum));
    }
  }
  if (dir_of(Controller::cpu) < 0) return limits;
  if (layout.version_of(Controller::cpu) == Version::v2) {
    if (const auto max = read(Controller::cpu, "cpu.max")) {
      TRY_ASSIGN(limits.cpu, CpuMax::parse(*max));
    }
    return limits;
  }
  const auto quota = read(Controller::cpu, "cpu.cfs_quota_us");
  const auto period = read(Controller::cpu, "cpu.cfs_period_us");
  if (!quota || !period) return limits; // the root has neither; so have kernels without CFS bandwidth
  TRY_ASSIGN(const auto quota_us, parse_int<std::int64_t>(trim(*quota)));
  TRY_ASSIGN(const auto period_us, parse_int<std::int64_t>(trim(*period)));
  if (quota_us >= 0) limits.cpu.quota = std::chrono::microseconds(quota_us);
  limits.cpu.period = std::chrono::microseconds(period_us);
  return limits;
}

Result<> Group::write(const Write& write) const {
  const std::string full = full_path(write.controller, write.file);
  const int dir = dir_of(write.controller);
  if (dir < 0) return fail_errno(ENOENT, "cannot write {} to {}", printable(write.value), full);
  auto written = write_group_file(dir, write.file, write.value, full);
  if (!written) written.error().message += advice(write, written.error().sys_errno);
  return written;
}

Result<Applied> Group::apply(const Knobs& knobs, WeightFormula formula) const {
  PlanOptions options;
  TRY_ASSIGN(options.current, current_limits());
  options.weight_formula = formula;
  TRY_ASSIGN(WritePlan plan, plan_writes(hierarchy_->layout(), knobs, options));
  Applied applied;
  applied.dropped = std::move(plan.dropped);
  for (Write& step : plan.writes) {
    auto written = write(step);
    if (!written && !(step.optional && written.error().sys_errno == ENOENT)) return Fail(std::move(written).error());
    (written ? applied.written : applied.skipped).push_back(std::move(step));
  }
  return applied;
}

Result<std::string> Group::read_actual(const Write& write) const {
  return trimmed(read(write.controller, write.file));
}

} // namespace keelson::cgroups
