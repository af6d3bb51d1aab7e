// Pods and records for the tests of the pod agent, in few words.
#pragma once

#include "api/pod.hpp"
#include "daemon/pods/pod_plan.hpp"
#include "daemon/pods/pod_runtime.hpp"

#include <map>
#include <string>

namespace keelson::daemon::test {

inline WallTime at(int seconds) {
  return WallTime(std::chrono::seconds(1'700'000'000 + seconds));
}

// A pod with defaults and a static pod's identity, from the text of its spec as JSON.
api::Pod make_pod(const std::string& spec, const std::string& metadata = R"({"name":"web","uid":"u1"})");

ContainerRecord running(const std::string& name, std::uint32_t attempt = 0);
ContainerRecord exited(const std::string& name, int code, std::uint32_t attempt = 0);
SandboxRecord sandbox(std::uint32_t attempt = 0, bool ready = true); // id "s<attempt>"

// "start web#1, stop db"
std::string text_of(const Plan& plan);

} // namespace keelson::daemon::test
