#include "cgroups/controller.hpp"

#include "base/text.hpp"

namespace keelson::cgroups {
namespace {

constexpr std::array<std::string_view, kControllerCount> kTokens = {
    "cpu",     "cpuacct", "cpuset",   "memory",     "io",   "hugetlb", "pids",  "devices",
    "freezer", "net_cls", "net_prio", "perf_event", "rdma", "misc",    "cgroup"};

} // namespace

std::string_view to_string(Version version) {
  return version == Version::v1 ? "v1" : "v2";
}

std::string_view to_string(Mode mode) {
  switch (mode) {
  case Mode::v1:
    return "v1";
  case Mode::v2:
    return "v2";
  case Mode::hybrid:
    return "hybrid";
  }
  return "unknown";
}

std::string_view token_of(Controller controller, Version version) {
  if (controller == Controller::io && version == Version::v1) return "blkio";
  return kTokens[static_cast<std::size_t>(controller)];
}

std::optional<Controller> controller_from_token(std::string_view token) {
  if (token == "blkio") return Controller::io;
  if (token == "cgroup") return std::nullopt;
  for (std::size_t i = 0; i < kTokens.size(); ++i) {
    if (kTokens[i] == token) return static_cast<Controller>(i);
  }
  return std::nullopt;
}

std::vector<Controller> controllers_in(std::string_view list, char separator) {
  std::vector<Controller> found;
  for (const std::string_view token : split(trim(list), separator)) {
    if (const auto controller = controller_from_token(token)) found.push_back(*controller);
  }
  return found;
}

std::optional<Controller> controller_of_file(std::string_view file) {
  const std::size_t dot = file.find('.');
  if (dot == std::string_view::npos || dot + 1 == file.size()) return std::nullopt;
  const std::string_view prefix = file.substr(0, dot);
  if (prefix == "cgroup") return Controller::core;
  return controller_from_token(prefix);
}

ControllerLayout ControllerLayout::all(Version version) {
  ControllerLayout layout;
  for (const Controller controller :
       {Controller::cpu, Controller::cpuset, Controller::memory, Controller::io, Controller::hugetlb, Controller::pids})
    layout.set(controller, version);
  if (version == Version::v2) {
    layout.set(Controller::core, version);
  } else {
    layout.set(Controller::cpuacct, version);
    layout.set(Controller::devices, version);
    layout.set(Controller::freezer, version);
  }
  return layout;
}

} // namespace keelson::cgroups
