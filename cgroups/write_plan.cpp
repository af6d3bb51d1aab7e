#include "cgroups/write_plan.hpp"

#include "base/text.hpp"
#include "cgroups/hugetlb_values.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace keelson::cgroups {
namespace {

constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

LimitValue limit_from(std::int64_t amount) {
  if (amount < 0) return {};
  return LimitValue{static_cast<std::uint64_t>(amount)};
}

std::uint64_t or_infinite(const LimitValue& limit) {
  return limit.amount.value_or(kNone);
}

class Planner {
 public:
  Planner(const ControllerLayout& layout, const Knobs& knobs, const PlanOptions& options)
      : layout_(layout)
      , knobs_(knobs)
      , options_(options) {}

  Result<WritePlan> run() {
    TRY(cpuset(Knob::cpuset_cpus, knobs_.cpuset_cpus, "cpuset.cpus"));
    TRY(cpuset(Knob::cpuset_mems, knobs_.cpuset_mems, "cpuset.mems"));
    cpu_shares();
    cpu_bandwidth();
    memory();
    memory_protection();
    pids();
    io_weight();
    io_limits();
    TRY(hugetlb());
    TRY(unified());
    return std::move(plan_);
  }

 private:
  // The controller's version, or nothing after noting that the knob has no place here.
  std::optional<Version> place(Controller controller, Knob knob) {
    const auto version = layout_.version_of(controller);
    if (!version)
      plan_.dropped.push_back({knob, fmt::format("no {} controller here", token_of(controller, Version::v2))});
    return version;
  }

  void add(Controller controller, Knob knob, std::string file, std::string value, bool optional = false) {
    plan_.writes.push_back(Write{controller, std::move(file), std::move(value), knob, optional});
  }

  Result<> cpuset(Knob knob, const std::optional<CpuList>& list, const char* file) {
    if (!list) return {};
    const auto version = place(Controller::cpuset, knob);
    if (!version) return {};
    if (list->empty() && *version == Version::v1)
      return fail(Code::invalid_argument, "{} cannot be empty on cgroup v1: no process could run", file);
    add(Controller::cpuset, knob, file, format(*list));
    return {};
  }

  void cpu_shares() {
    if (!knobs_.cpu_shares) return;
    const auto version = place(Controller::cpu, Knob::cpu_shares);
    if (!version) return;
    const std::uint64_t shares = std::clamp(*knobs_.cpu_shares, kMinCpuShares, kMaxCpuShares);
    if (*version == Version::v1) return add(Controller::cpu, Knob::cpu_shares, "cpu.shares", fmt::format("{}", shares));
    add(Controller::cpu, Knob::cpu_shares, "cpu.weight",
        fmt::format("{}", cpu_weight_from_shares(shares, options_.weight_formula)));
  }

  void cpu_bandwidth() {
    if (!knobs_.cpu_quota && !knobs_.cpu_period) return;
    const Knob knob = knobs_.cpu_quota ? Knob::cpu_quota : Knob::cpu_period;
    const auto version = place(Controller::cpu, knob);
    if (!version) return;
    CpuMax target = options_.current.cpu;
    if (knobs_.cpu_quota) {
      target.quota.reset();
      if (knobs_.cpu_quota->count() >= 0) target.quota = *knobs_.cpu_quota;
    }
    if (knobs_.cpu_period) target.period = *knobs_.cpu_period;
    if (*version == Version::v2) return add(Controller::cpu, knob, "cpu.max", format(target));
    cpu_bandwidth_v1(target);
  }

  // v1 checks quota / period against the parent's and the children's after each of the two writes. Without a quota in
  // between no check can fail; it is needed only if both values move in the same direction.
  void cpu_bandwidth_v1(const CpuMax& target) {
    const CpuMax& now = options_.current.cpu;
    const auto quota = [&] {
      if (knobs_.cpu_quota) add_quota_v1(target.quota);
    };
    const auto period = [&] {
      if (knobs_.cpu_period)
        add(Controller::cpu, Knob::cpu_period, "cpu.cfs_period_us", fmt::format("{}", target.period.count()));
    };
    const bool both = knobs_.cpu_quota && knobs_.cpu_period && now.quota && target.quota;
    const bool same_direction = both && ((target.period > now.period && *target.quota > *now.quota) ||
                                         (target.period < now.period && *target.quota < *now.quota));
    if (same_direction) add_quota_v1(std::nullopt);
    if (same_direction || target.period >= now.period || !now.quota) {
      period();
      quota();
    } else {
      quota();
      period();
    }
  }

  void add_quota_v1(const std::optional<std::chrono::microseconds>& quota) {
    add(Controller::cpu, Knob::cpu_quota, "cpu.cfs_quota_us", fmt::format("{}", quota ? quota->count() : -1));
  }

  void memory() {
    if (!knobs_.memory_limit && !knobs_.swap_limit) return;
    const Knob knob = knobs_.memory_limit ? Knob::memory_limit : Knob::swap_limit;
    const auto version = place(Controller::memory, knob);
    if (!version) return;
    if (*version == Version::v1) return memory_v1();
    if (knobs_.memory_limit)
      add(Controller::memory, Knob::memory_limit, "memory.max", format(limit_from(knobs_.memory_limit->value)));
    if (knobs_.swap_limit)
      add(Controller::memory, Knob::swap_limit, "memory.swap.max", format(limit_from(knobs_.swap_limit->value)), true);
  }

  // v1 demands memory <= memory + swap at every moment: the sum goes first if the new limit is above the old sum.
  void memory_v1() {
    const CurrentLimits& now = options_.current;
    const LimitValue memory = knobs_.memory_limit ? limit_from(knobs_.memory_limit->value) : now.memory;
    const auto sum = memory_and_swap_v1(memory);
    const auto add_sum = [&] {
      if (sum)
        add(Controller::memory, knobs_.swap_limit ? Knob::swap_limit : Knob::memory_limit,
            "memory.memsw.limit_in_bytes", format_v1(*sum), true);
    };
    const bool sum_first = or_infinite(memory) > or_infinite(now.memory_and_swap);
    if (sum_first) add_sum();
    if (knobs_.memory_limit) add(Controller::memory, Knob::memory_limit, "memory.limit_in_bytes", format_v1(memory));
    if (!sum_first) add_sum();
  }

  // The new sum, or nothing if it need not change. Without a wish for swap the amount of swap stays what it is, as on
  // v2.
  std::optional<LimitValue> memory_and_swap_v1(const LimitValue& memory) {
    const CurrentLimits& now = options_.current;
    LimitValue swap;
    if (knobs_.swap_limit) {
      swap = limit_from(knobs_.swap_limit->value);
    } else {
      if (!now.memory_and_swap.amount) return std::nullopt;
      if (now.memory.amount)
        swap.amount = *now.memory_and_swap.amount - std::min(*now.memory.amount, *now.memory_and_swap.amount);
    }
    if (!swap.amount) return LimitValue{};
    if (!memory.amount) {
      if (knobs_.swap_limit)
        plan_.dropped.push_back(
            {Knob::swap_limit, "cgroup v1 limits swap only together with memory, which has no limit"});
      if (!now.memory_and_swap.amount) return std::nullopt;
      return LimitValue{};
    }
    return LimitValue{*memory.amount + *swap.amount};
  }

  void memory_protection() {
    v2_memory(Knob::memory_min, knobs_.memory_min, "memory.min");
    if (knobs_.memory_low && layout_.version_of(Controller::memory) == Version::v1)
      add(Controller::memory, Knob::memory_low, "memory.soft_limit_in_bytes",
          format_v1(limit_from(knobs_.memory_low->value)));
    else
      v2_memory(Knob::memory_low, knobs_.memory_low, "memory.low");
    v2_memory(Knob::memory_high, knobs_.memory_high, "memory.high");
    if (!knobs_.memory_oom_group || !v2_memory_place(Knob::memory_oom_group)) return;
    add(Controller::memory, Knob::memory_oom_group, "memory.oom.group", *knobs_.memory_oom_group ? "1" : "0", true);
  }

  void v2_memory(Knob knob, const std::optional<Bytes>& bytes, const char* file) {
    if (!bytes || !v2_memory_place(knob)) return;
    add(Controller::memory, knob, file, format(limit_from(bytes->value)));
  }

  bool v2_memory_place(Knob knob) {
    const auto version = place(Controller::memory, knob);
    if (version == Version::v1) plan_.dropped.push_back({knob, "cgroup v1 has no counterpart"});
    return version == Version::v2;
  }

  void pids() {
    if (!knobs_.pids_max || !place(Controller::pids, Knob::pids_max)) return;
    add(Controller::pids, Knob::pids_max, "pids.max", format(limit_from(*knobs_.pids_max)));
  }

  // Which file a kernel has depends on its I/O schedulers: every one that is there is written.
  void io_weight() {
    if (!knobs_.io_weight) return;
    const auto version = place(Controller::io, Knob::io_weight);
    if (!version) return;
    const std::uint64_t weight = std::clamp(*knobs_.io_weight, kMinBlkioWeight, kMaxBlkioWeight);
    const std::string raw = fmt::format("{}", weight);
    if (*version == Version::v1) {
      add(Controller::io, Knob::io_weight, "blkio.weight", raw, true);
      add(Controller::io, Knob::io_weight, "blkio.bfq.weight", raw, true);
    } else {
      add(Controller::io, Knob::io_weight, "io.weight", fmt::format("{}", io_weight_from_blkio(weight)), true);
      add(Controller::io, Knob::io_weight, "io.bfq.weight", raw, true);
    }
  }

  void io_limits() {
    if (knobs_.io_limits.empty()) return;
    const auto version = place(Controller::io, Knob::io_limits);
    if (!version) return;
    for (const IoLimit& limit : knobs_.io_limits) {
      if (*version == Version::v2) {
        add(Controller::io, Knob::io_limits, "io.max", format(limit));
        continue;
      }
      // v1 takes a limit away with the value 0.
      const auto throttle = [&](const char* what, const std::optional<std::uint64_t>& amount) {
        add(Controller::io, Knob::io_limits, fmt::format("blkio.throttle.{}_device", what),
            fmt::format("{} {}", format(limit.device), amount.value_or(0)));
      };
      throttle("read_bps", limit.read_bytes_per_second);
      throttle("write_bps", limit.write_bytes_per_second);
      throttle("read_iops", limit.read_ops_per_second);
      throttle("write_iops", limit.write_ops_per_second);
    }
  }

  // The reservation limit (rsvd, Linux 5.7) makes mmap(2) fail instead of a later page fault kill the process.
  Result<> hugetlb() {
    if (knobs_.hugetlb_limits.empty()) return {};
    for (const auto& [size, limit] : knobs_.hugetlb_limits) TRY(huge_page_size(size));
    const auto version = place(Controller::hugetlb, Knob::hugetlb_limits);
    if (!version) return {};
    for (const auto& [size, limit] : knobs_.hugetlb_limits) {
      const LimitValue amount = limit_from(limit.value);
      const char* file = *version == Version::v2 ? "max" : "limit_in_bytes";
      const std::string value = *version == Version::v2 ? format(amount) : format_v1(amount);
      add(Controller::hugetlb, Knob::hugetlb_limits, fmt::format("hugetlb.{}.{}", size, file), value);
      add(Controller::hugetlb, Knob::hugetlb_limits, fmt::format("hugetlb.{}.rsvd.{}", size, file), value, true);
    }
    return {};
  }

  Result<> unified() {
    for (const auto& [file, value] : knobs_.unified) {
      const auto controller = controller_of_file(file);
      if (!controller || file.find_first_of(std::string_view("/\n\0", 3)) != std::string::npos)
        return fail(Code::invalid_argument, "\"{}\" is not the name of a cgroup v2 file", printable(file, 80));
      static constexpr std::array<std::string_view, 5> kNoKnobs = {"cgroup.procs", "cgroup.threads", "cgroup.kill",
                                                                   "cgroup.subtree_control", "cgroup.type"};
      if (std::find(kNoKnobs.begin(), kNoKnobs.end(), file) != kNoKnobs.end())
        return fail(Code::invalid_argument, "{} is not a resource: it cannot be set as one", file);
      if (layout_.version_of(*controller) == Version::v2)
        add(*controller, Knob::unified, file, value);
      else
        plan_.dropped.push_back({Knob::unified, fmt::format("{} needs cgroup v2", file)});
    }
    return {};
  }

  const ControllerLayout& layout_;
  const Knobs& knobs_;
  const PlanOptions& options_;
  WritePlan plan_;
};

} // namespace

Result<WritePlan> plan_writes(const ControllerLayout& layout, const Knobs& knobs, const PlanOptions& options) {
  return Planner(layout, knobs, options).run();
}

Result<WritePlan> plan_writes(Version version, const Knobs& knobs, const PlanOptions& options) {
  return plan_writes(ControllerLayout::all(version), knobs, options);
}

} // namespace keelson::cgroups
