#include "health/probe_state.hpp"

#include "base/text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace keelson::health {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortestPeriod{10};
constexpr std::size_t kMaxMessageSize = 960; // the API server refuses messages of events over 1024 bytes

ProbeResult initial_result(ProbeKind kind) {
  switch (kind) {
  case ProbeKind::liveness:
    return ProbeResult::success;
  case ProbeKind::readiness:
    return ProbeResult::failure;
  case ProbeKind::startup:
    return ProbeResult::unknown;
  }
  return ProbeResult::unknown;
}

milliseconds period_of(const ProbeTiming& timing) {
  return std::max(timing.period, kShortestPeriod);
}

// Cuts to a size without leaving half a UTF-8 sequence.
void cut(std::string& text, std::size_t size) {
  if (text.size() <= size) return;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  text.resize(size);
}

// The output of a container made safe line by line.
std::string readable(std::string_view text) {
  std::string lines;
  for (const std::string_view line : split(trim(text.substr(0, kMaxMessageSize)), '\n')) {
    if (!lines.empty()) lines += '\n';
    lines += printable(line, kMaxMessageSize);
  }
  cut(lines, kMaxMessageSize);
  return lines;
}

std::string event_text(ProbeKind kind, const ProbeOutcome& outcome) {
  const std::string_view title = to_title(kind);
  switch (outcome.verdict) {
  case Verdict::success:
    return {};
  case Verdict::warning:
    return fmt::format("{} probe warning: {}", title, readable(outcome.message));
  case Verdict::failure:
    return fmt::format("{} probe failed: {}", title, readable(outcome.message));
  case Verdict::error:
    return fmt::format("{} probe errored: {}", title, readable(outcome.message));
  }
  return {};
}

std::string_view event_reason(Verdict verdict) {
  switch (verdict) {
  case Verdict::success:
    return {};
  case Verdict::warning:
    return "ProbeWarning";
  case Verdict::failure:
  case Verdict::error:
    return "Unhealthy";
  }
  return {};
}

} // namespace

std::string_view to_string(ProbeKind kind) {
  switch (kind) {
  case ProbeKind::liveness:
    return "liveness";
  case ProbeKind::readiness:
    return "readiness";
  case ProbeKind::startup:
    return "startup";
  }
  return "unknown";
}

std::string_view to_title(ProbeKind kind) {
  switch (kind) {
  case ProbeKind::liveness:
    return "Liveness";
  case ProbeKind::readiness:
    return "Readiness";
  case ProbeKind::startup:
    return "Startup";
  }
  return "Unknown";
}

SteadyTime first_due(const ProbeTiming& timing, const ProbeStart& start) {
  SteadyTime due = start.container_started + timing.initial_delay;
  const milliseconds period = period_of(timing);
  if (start.now - start.agent_started < period) {
    const double fraction = std::clamp(start.fraction, 0.0, 1.0);
    const auto spread = static_cast<milliseconds::rep>(fraction * static_cast<double>(period.count()));
    due = std::max(due, start.now + milliseconds(spread));
  }
  return std::max(due, start.now);
}

ContainerProbeState::ContainerProbeState(std::string name, const ContainerProbes& probes, const ProbeStart& start)
    : name_(std::move(name)) {
  for (const ProbeKind kind : kProbeKinds) {
    const auto& config = probes.of(kind);
    if (!config) continue;
    slot(kind).timing = config->timing;
    slot(kind).grace = config->termination_grace_period;
  }
  reset(start);
}

void ContainerProbeState::reset(const ProbeStart& start) {
  for (const ProbeKind kind : kProbeKinds) {
    Slot fresh;
    fresh.timing = slot(kind).timing;
    fresh.grace = slot(kind).grace;
    fresh.result = initial_result(kind);
    if (fresh.timing) fresh.due = first_due(*fresh.timing, start);
    slot(kind) = fresh;
  }
}

void ContainerProbeState::restore(const ProbeCheckpoint& checkpoint) {
  for (const ProbeKind kind : kProbeKinds) {
    Slot& s = slot(kind);
    const auto& entry = checkpoint.of(kind);
    if (!s.timing || !entry) continue;
    s.last = entry->last;
    s.run = entry->run;
    if (kind != ProbeKind::readiness && entry->result == ProbeResult::failure) {
      // The earlier agent died between the decision to restart and the restart. One more failure confirms it.
      s.last = ProbeResult::failure;
      s.run = std::max(s.timing->failure_threshold, 1) - 1;
      continue;
    }
    s.result = entry->result;
  }
}

ProbeCheckpoint ContainerProbeState::checkpoint(std::string container_id) const {
  ProbeCheckpoint checkpoint;
  checkpoint.container_id = std::move(container_id);
  for (const ProbeKind kind : kProbeKinds) {
    const Slot& s = slot(kind);
    if (s.timing) checkpoint.of(kind) = ProbeCheckpoint::Entry{s.result, s.last, s.run};
  }
  return checkpoint;
}

void ContainerProbeState::set_terminating() {
  for (const ProbeKind kind : {ProbeKind::liveness, ProbeKind::startup}) slot(kind).on_hold = true;
}

std::optional<SteadyTime> ContainerProbeState::next_due(ProbeKind kind) const {
  const Slot& s = slot(kind);
  if (!s.timing || s.in_flight || s.on_hold || gated(kind)) return std::nullopt;
  if (kind == ProbeKind::startup && started()) return std::nullopt;
  return s.due;
}

void ContainerProbeState::begin(ProbeKind kind, SteadyTime now) {
  Slot& s = slot(kind);
  s.in_flight = true;
  // The phase is kept as a ticker's; ticks that were missed are dropped.
  s.due = std::max(s.due + period_of(*s.timing), now);
}

void ContainerProbeState::count(Slot& s, ProbeResult result) {
  s.run = s.last == result ? std::min(s.run, 1'000'000) + 1 : 1;
  s.last = result;
  const int threshold = result == ProbeResult::failure ? s.timing->failure_threshold : s.timing->success_threshold;
  if (s.run >= threshold) s.result = result;
}

void ContainerProbeState::release_gated(SteadyTime now) {
  for (const ProbeKind kind : {ProbeKind::liveness, ProbeKind::readiness})
    slot(kind).due = std::max(slot(kind).due, now);
}

ProbeReport ContainerProbeState::record(ProbeKind kind, const ProbeOutcome& outcome, SteadyTime now) {
  Slot& s = slot(kind);
  ProbeReport report;
  report.kind = kind;
  report.before = report.after = s.result;
  s.in_flight = false;
  if (s.on_hold) return report; // decided or terminating while it was in flight: nobody wants it any more

  report.verdict = outcome.verdict;
  report.event = event_text(kind, outcome);
  report.event_reason = event_reason(outcome.verdict);
  if (outcome.verdict == Verdict::error) return report;

  const bool was_ready = ready();
  const bool was_started = started();
  const bool failed = outcome.verdict == Verdict::failure;
  count(s, failed ? ProbeResult::failure : ProbeResult::success);
  report.after = s.result;
  report.ready_changed = ready() != was_ready;
  report.started_changed = started() != was_started;
  if (report.started_changed) release_gated(now);
  if (kind != ProbeKind::readiness && failed && s.result == ProbeResult::failure) {
    s.on_hold = true;
    s.run = 0;
    report.restart = true;
    report.restart_reason = fmt::format("Container {} failed {} probe, will be restarted", name_, to_string(kind));
    report.termination_grace_period = s.grace;
  }
  return report;
}

bool ContainerProbeState::started() const {
  const Slot& s = slot(ProbeKind::startup);
  return !s.timing || s.result == ProbeResult::success;
}

bool ContainerProbeState::ready() const {
  const Slot& s = slot(ProbeKind::readiness);
  return started() && (!s.timing || s.result == ProbeResult::success);
}

} // namespace keelson::health
