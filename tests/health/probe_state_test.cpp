#include "health/probe_state.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace keelson::health {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kStart{1000h};

ProbeStart long_running_agent() {
  return {kStart, kStart, kStart - 24h, 0.5};
}

ProbeConfig config(ProbeTiming timing) {
  ProbeConfig c;
  c.action = TcpAction{"10.0.0.1", 80};
  c.timing = timing;
  return c;
}

ContainerProbes only(ProbeKind kind, ProbeTiming timing) {
  ContainerProbes probes;
  (kind == ProbeKind::liveness    ? probes.liveness
   : kind == ProbeKind::readiness ? probes.readiness
                                  : probes.startup) = config(timing);
  return probes;
}

ProbeReport probe(ContainerProbeState& state, ProbeKind kind, Verdict verdict, std::string message = {},
                  SteadyTime now = kStart) {
  state.begin(kind, now);
  return state.record(kind, {verdict, std::move(message)}, now);
}

Verdict verdict_of(char letter) {
  return letter == '+'   ? Verdict::success
         : letter == '!' ? Verdict::warning
         : letter == '-' ? Verdict::failure
                         : Verdict::error;
}

struct RunCase {
  const char* name;
  ProbeKind kind;
  int success_threshold;
  int failure_threshold;
  const char* outcomes; // + success, ! warning, - failure, ? error
  const char* results;  // the confirmed result after each: + - or u for unknown
  int restart_at;       // index of the outcome that decides to restart, -1: none
};

const RunCase kRunCases[] = {
    {"liveness starts as success", ProbeKind::liveness, 1, 3, "--", "++", -1},
    {"third failure in a row restarts", ProbeKind::liveness, 1, 3, "---", "++-", 2},
    {"a success breaks the run", ProbeKind::liveness, 1, 3, "--+--+--", "++++++++", -1},
    {"threshold one restarts at once", ProbeKind::liveness, 1, 1, "-", "-", 0},
    {"errors do not count", ProbeKind::liveness, 1, 2, "-?-", "++-", 2},
    {"errors alone change nothing", ProbeKind::liveness, 1, 1, "????", "++++", -1},
    {"a warning is a success", ProbeKind::liveness, 1, 2, "-!-", "+++", -1},
    {"readiness starts as failure", ProbeKind::readiness, 2, 2, "+", "-", -1},
    {"readiness needs its successes", ProbeKind::readiness, 3, 1, "++-+++", "-----+", -1},
    {"readiness keeps its state below the threshold", ProbeKind::readiness, 1, 3, "+--+---", "++++++-", -1},
    {"readiness recovers", ProbeKind::readiness, 2, 1, "++-++", "-+--+", -1},
    {"readiness never restarts", ProbeKind::readiness, 1, 1, "----", "----", -1},
    {"startup is unknown at first", ProbeKind::startup, 1, 3, "--+", "uu+", -1},
    {"startup that never succeeds restarts", ProbeKind::startup, 1, 3, "---", "uu-", 2},
    {"thresholds below one count as one", ProbeKind::liveness, 0, 0, "-", "-", 0},
};

class ProbeRun : public testing::TestWithParam<RunCase> {};

TEST_P(ProbeRun, ConfirmsResults) {
  const RunCase& c = GetParam();
  ProbeTiming timing;
  timing.success_threshold = c.success_threshold;
  timing.failure_threshold = c.failure_threshold;
  ContainerProbeState state("web", only(c.kind, timing), long_running_agent());
  const std::string outcomes = c.outcomes;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const auto report = probe(state, c.kind, verdict_of(outcomes[i]));
    const char shown = report.after == ProbeResult::success ? '+' : report.after == ProbeResult::failure ? '-' : 'u';
    EXPECT_EQ(shown, c.results[i]) << c.name << ", outcome " << i;
    EXPECT_EQ(report.restart, static_cast<int>(i) == c.restart_at) << c.name << ", outcome " << i;
    EXPECT_EQ(state.result(c.kind), report.after);
  }
}
INSTANTIATE_TEST_SUITE_P(Table, ProbeRun, testing::ValuesIn(kRunCases));

TEST(ProbeState, WithoutProbesIsStartedAndReady) {
  const ContainerProbeState state("web", {}, long_running_agent());
  EXPECT_TRUE(state.started());
  EXPECT_TRUE(state.ready());
  for (const ProbeKind kind : kProbeKinds) EXPECT_FALSE(state.next_due(kind));
}

TEST(ProbeState, LivenessFailureIsWordedAsKubeletWordsIt) {
  ProbeTiming timing;
  timing.failure_threshold = 1;
  auto probes = only(ProbeKind::liveness, timing);
  probes.liveness->termination_grace_period = 7s;
  ContainerProbeState state("web", probes, long_running_agent());
  const auto report = probe(state, ProbeKind::liveness, Verdict::failure, "HTTP probe failed with statuscode: 503");
  EXPECT_EQ(report.event, "Liveness probe failed: HTTP probe failed with statuscode: 503");
  EXPECT_EQ(report.event_reason, "Unhealthy");
  EXPECT_EQ(report.restart_reason, "Container web failed liveness probe, will be restarted");
  EXPECT_EQ(report.termination_grace_period, 7s);
  EXPECT_TRUE(report.transition());
  EXPECT_FALSE(state.next_due(ProbeKind::liveness)) << "it is on hold until the container is replaced";
}

TEST(ProbeState, OtherEventsAreWordedToo) {
  ContainerProbeState state("web", only(ProbeKind::readiness, {}), long_running_agent());
  EXPECT_EQ(probe(state, ProbeKind::readiness, Verdict::warning, "w").event, "Readiness probe warning: w");
  EXPECT_EQ(probe(state, ProbeKind::readiness, Verdict::error, "e").event, "Readiness probe errored: e");
  const auto success = probe(state, ProbeKind::readiness, Verdict::success, "output");
  EXPECT_EQ(success.event, "");
  EXPECT_FALSE(success.notable());
}

TEST(ProbeState, HostileOutputBecomesAReadableBoundedEvent) {
  ContainerProbeState state("web", only(ProbeKind::liveness, {}), long_running_agent());
  auto report = probe(state, ProbeKind::liveness, Verdict::failure, "\x1b[2Jcat: no file\nline two\n");
  EXPECT_EQ(report.event, "Liveness probe failed: \\x1b[2Jcat: no file\nline two");
  for (const std::string& junk :
       {std::string(1 << 20, '\xff'), std::string(1 << 20, 'a'), std::string(1 << 20, '\n')}) {
    report = probe(state, ProbeKind::liveness, Verdict::failure, junk);
    EXPECT_LE(report.event.size(), 1024U);
    probe(state, ProbeKind::liveness, Verdict::success);
  }
  std::string umlauts;
  for (int i = 0; i < 4000; ++i) umlauts += "ü";
  report = probe(state, ProbeKind::liveness, Verdict::failure, "x" + umlauts);
  EXPECT_LE(report.event.size(), 1024U);
}

TEST(ProbeState, InitialDelayCountsFromTheContainersStart) {
  ProbeTiming timing;
  timing.initial_delay = 30s;
  const auto probes = only(ProbeKind::liveness, timing);
  ContainerProbeState fresh("web", probes, long_running_agent());
  EXPECT_EQ(fresh.next_due(ProbeKind::liveness), kStart + 30s);
  ContainerProbeState old("web", probes, {kStart, kStart - 20s, kStart - 24h, 0});
  EXPECT_EQ(old.next_due(ProbeKind::liveness), kStart + 10s);
  ContainerProbeState older("web", probes, {kStart, kStart - 24h, kStart - 48h, 0});
  EXPECT_EQ(older.next_due(ProbeKind::liveness), kStart);
}

TEST(ProbeState, AgentThatJustStartedSpreadsTheFirstProbes) {
  ProbeTiming timing; // period 10 s
  EXPECT_EQ(first_due(timing, {kStart, kStart - 1h, kStart - 1s, 0.25}), kStart + 2500ms);
  EXPECT_EQ(first_due(timing, {kStart, kStart - 1h, kStart - 11s, 0.25}), kStart)
      << "the agent runs longer than a period";
  timing.initial_delay = 5s;
  EXPECT_EQ(first_due(timing, {kStart, kStart, kStart, 0.25}), kStart + 5s) << "the delay is longer than the spread";
  EXPECT_LE(first_due(timing, {kStart, kStart, kStart, 7.0}), kStart + 10s);
}

TEST(ProbeState, PeriodKeepsItsPhaseAndDropsMissedTicks) {
  ContainerProbeState state("web", only(ProbeKind::liveness, {}), long_running_agent());
  state.begin(ProbeKind::liveness, kStart + 300ms);
  EXPECT_FALSE(state.next_due(ProbeKind::liveness)) << "in flight";
  state.record(ProbeKind::liveness, {Verdict::success, {}}, kStart + 900ms);
  EXPECT_EQ(state.next_due(ProbeKind::liveness), kStart + 10s);
  state.begin(ProbeKind::liveness, kStart + 65s);
  state.record(ProbeKind::liveness, {Verdict::success, {}}, kStart + 65s);
  EXPECT_EQ(state.next_due(ProbeKind::liveness), kStart + 65s);
  state.begin(ProbeKind::liveness, kStart + 65s);
  state.record(ProbeKind::liveness, {Verdict::success, {}}, kStart + 65s);
  EXPECT_EQ(state.next_due(ProbeKind::liveness), kStart + 75s);
}

TEST(ProbeState, StartupGatesLivenessAndReadiness) {
  ContainerProbes probes;
  probes.liveness = probes.readiness = probes.startup = config({});
  probes.liveness->timing.initial_delay = 60s;
  ContainerProbeState state("web", probes, long_running_agent());
  EXPECT_FALSE(state.started());
  EXPECT_FALSE(state.ready());
  EXPECT_FALSE(state.next_due(ProbeKind::liveness));
  EXPECT_FALSE(state.next_due(ProbeKind::readiness));
  EXPECT_TRUE(state.next_due(ProbeKind::startup));

  const auto report = probe(state, ProbeKind::startup, Verdict::success, {}, kStart + 20s);
  EXPECT_TRUE(report.started_changed);
  EXPECT_TRUE(state.started());
  EXPECT_FALSE(state.ready()) << "readiness has not been probed yet";
  EXPECT_FALSE(state.next_due(ProbeKind::startup)) << "it is not probed again";
  EXPECT_EQ(state.next_due(ProbeKind::readiness), kStart + 20s) << "at once";
  EXPECT_EQ(state.next_due(ProbeKind::liveness), kStart + 60s) << "its delay counts from the start of the container";
  EXPECT_TRUE(probe(state, ProbeKind::readiness, Verdict::success, {}, kStart + 20s).ready_changed);
}

TEST(ProbeState, StartupSuccessMakesAContainerWithoutReadinessProbeReady) {
  ContainerProbeState state("web", only(ProbeKind::startup, {}), long_running_agent());
  EXPECT_FALSE(state.ready());
  EXPECT_TRUE(probe(state, ProbeKind::startup, Verdict::success).ready_changed);
  EXPECT_TRUE(state.ready());
}

TEST(ProbeState, ResetBeginsAnew) {
  ContainerProbes probes;
  probes.liveness = probes.readiness = probes.startup = config({});
  ContainerProbeState state("web", probes, long_running_agent());
  probe(state, ProbeKind::startup, Verdict::success);
  probe(state, ProbeKind::readiness, Verdict::success);
  for (int i = 0; i < 3; ++i) probe(state, ProbeKind::liveness, Verdict::failure);
  ASSERT_EQ(state.result(ProbeKind::liveness), ProbeResult::failure);
  ASSERT_TRUE(state.ready());

  state.reset({kStart + 1h, kStart + 1h, kStart - 24h, 0});
  EXPECT_FALSE(state.started());
  EXPECT_FALSE(state.ready());
  EXPECT_EQ(state.result(ProbeKind::liveness), ProbeResult::success);
  EXPECT_EQ(state.result(ProbeKind::readiness), ProbeResult::failure);
  EXPECT_EQ(state.next_due(ProbeKind::startup), kStart + 1h);
  probe(state, ProbeKind::startup, Verdict::success);
  EXPECT_FALSE(probe(state, ProbeKind::liveness, Verdict::failure).restart)
      << "the run of the old instance is forgotten";
}

TEST(ProbeState, TerminatingPodIsQuietButItsReadinessIsProbed) {
  ContainerProbes probes;
  probes.liveness = probes.readiness = config({});
  probes.liveness->timing.failure_threshold = 1;
  ContainerProbeState state("web", probes, long_running_agent());
  state.begin(ProbeKind::liveness, kStart);
  state.set_terminating();
  const auto report = state.record(ProbeKind::liveness, {Verdict::failure, "refused"}, kStart);
  EXPECT_FALSE(report.notable());
  EXPECT_FALSE(state.next_due(ProbeKind::liveness));
  EXPECT_TRUE(state.next_due(ProbeKind::readiness));
}

TEST(ProbeState, RestartOfTheAgentFlipsNothing) {
  ContainerProbes probes;
  probes.liveness = probes.readiness = probes.startup = config({});
  ContainerProbeState before("web", probes, long_running_agent());
  probe(before, ProbeKind::startup, Verdict::success);
  probe(before, ProbeKind::readiness, Verdict::success);
  probe(before, ProbeKind::readiness, Verdict::failure);
  probe(before, ProbeKind::readiness, Verdict::failure);
  ASSERT_TRUE(before.ready());

  ContainerProbeState after("web", probes, {kStart, kStart - 1h, kStart, 0.5});
  after.restore(before.checkpoint("c1"));
  EXPECT_TRUE(after.started());
  EXPECT_TRUE(after.ready());
  EXPECT_FALSE(after.next_due(ProbeKind::startup));
  EXPECT_EQ(after.next_due(ProbeKind::readiness), kStart + 5s);
  EXPECT_TRUE(probe(after, ProbeKind::readiness, Verdict::failure).ready_changed) << "the run of failures goes on";
}

TEST(ProbeState, NotReadyStaysNotReadyOverARestartOfTheAgent) {
  ContainerProbes probes;
  probes.readiness = config({});
  ContainerProbeState before("web", probes, long_running_agent());
  probe(before, ProbeKind::readiness, Verdict::success);
  for (int i = 0; i < 3; ++i) probe(before, ProbeKind::readiness, Verdict::failure);
  ASSERT_FALSE(before.ready());
  ContainerProbeState after("web", probes, long_running_agent());
  after.restore(before.checkpoint("c1"));
  EXPECT_FALSE(after.ready());
}

TEST(ProbeState, RestartDecisionThatGotLostNeedsOneMoreFailure) {
  ContainerProbeState before("web", only(ProbeKind::liveness, {}), long_running_agent());
  for (int i = 0; i < 3; ++i) probe(before, ProbeKind::liveness, Verdict::failure);
  const auto checkpoint = before.checkpoint("c1");
  ContainerProbeState failing("web", only(ProbeKind::liveness, {}), long_running_agent());
  failing.restore(checkpoint);
  EXPECT_TRUE(probe(failing, ProbeKind::liveness, Verdict::failure).restart);
  ContainerProbeState healed("web", only(ProbeKind::liveness, {}), long_running_agent());
  healed.restore(checkpoint);
  EXPECT_FALSE(probe(healed, ProbeKind::liveness, Verdict::success).restart);
  EXPECT_FALSE(probe(healed, ProbeKind::liveness, Verdict::failure).restart);
}

TEST(ProbeState, CheckpointOfAnotherSetOfProbesIsTakenAsFarAsItFits) {
  ContainerProbeState before("web", only(ProbeKind::liveness, {}), long_running_agent());
  ContainerProbeState after("web", only(ProbeKind::readiness, {}), long_running_agent());
  after.restore(before.checkpoint("c1"));
  EXPECT_FALSE(after.ready());
}

} // namespace
} // namespace keelson::health
