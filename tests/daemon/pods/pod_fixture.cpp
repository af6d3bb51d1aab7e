#include "tests/daemon/pods/pod_fixture.hpp"

#include "api/decode.hpp"
#include "api/defaults.hpp"

#include <gtest/gtest.h>

namespace keelson::daemon::test {

api::Pod make_pod(const std::string& spec, const std::string& metadata) {
  const auto decoded = api::decode_pod_text(
      fmt::format(R"({{"apiVersion":"v1","kind":"Pod","metadata":{},"spec":{}}})", metadata, spec));
  EXPECT_TRUE(decoded.has_value()) << decoded.error().message;
  if (!decoded) return {};
  api::Pod pod = decoded->object;
  api::apply_static_pod_identity(pod, "n1", "/manifests/web.yaml");
  api::apply_defaults(pod);
  return pod;
}

ContainerRecord running(const std::string& name, std::uint32_t attempt) {
  ContainerRecord record;
  record.name = name;
  record.id = fmt::format("{}-{}", name, attempt);
  record.sandbox_id = "s0";
  record.attempt = attempt;
  record.state = RecordState::running;
  record.created_at = at(1);
  record.started_at = at(1);
  return record;
}

ContainerRecord exited(const std::string& name, int code, std::uint32_t attempt) {
  ContainerRecord record = running(name, attempt);
  record.state = RecordState::exited;
  record.exit_code = code;
  record.reason = code == 0 ? "Completed" : "Error";
  record.finished_at = at(2);
  return record;
}

SandboxRecord sandbox(std::uint32_t attempt, bool ready) {
  SandboxRecord record;
  record.id = fmt::format("s{}", attempt);
  record.attempt = attempt;
  record.ready = ready;
  record.created_at = at(0);
  record.pod_seen_at = at(0);
  record.ips = {"10.0.0.7"};
  return record;
}

std::string text_of(const Plan& plan) {
  std::string text;
  for (const Action& action : plan.actions) {
    if (!text.empty()) text += ", ";
    switch (action.kind) {
    case Action::Kind::create_sandbox:
      text += fmt::format("sandbox#{}", action.attempt);
      break;
    case Action::Kind::stop_sandbox:
      text += "stop-sandbox " + action.id;
      break;
    case Action::Kind::remove_sandbox:
      text += "remove-sandbox " + action.id;
      break;
    case Action::Kind::start:
      text += fmt::format("start {}#{}", action.container, action.attempt);
      if (action.back_off.count() > 0) text += fmt::format("/{}s", action.back_off.count());
      break;
    case Action::Kind::stop:
      text += "stop " + action.id;
      break;
    case Action::Kind::remove:
      text += "remove " + action.id;
      break;
    case Action::Kind::finish:
      text += "finish";
      break;
    }
  }
  return text;
}

} // namespace keelson::daemon::test
