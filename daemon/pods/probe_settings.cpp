#include "daemon/pods/probe_settings.hpp"

#include <algorithm>

namespace keelson::daemon {

Result<std::uint16_t> resolve_port(const api::Container& container, const api::IntOrString& port) {
  std::int32_t number = port.number;
  if (port.is_name) {
    number = 0;
    for (const api::ContainerPort& known : container.ports)
      if (known.name == port.name) number = known.container_port;
    if (number == 0)
      return fail(Code::invalid_argument, "container {} has no port named \"{}\"", container.name, port.name);
  }
  if (number < 1 || number > 65535) return fail(Code::invalid_argument, "port {} is not in 1..65535", number);
  return static_cast<std::uint16_t>(number);
}

Result<health::HttpAction> http_action(const api::Container& container, const api::HttpGetAction& action,
                                       const std::string& address) {
  health::HttpAction out;
  out.tls = action.scheme == api::UriScheme::https;
  out.host = action.host.empty() ? address : action.host;
  TRY_ASSIGN(out.port, resolve_port(container, action.port));
  if (!action.path.empty()) out.path = action.path;
  for (const api::HttpHeader& header : action.http_headers) out.headers.push_back({header.name, header.value});
  return out;
}

namespace {

Result<health::ProbeAction> probe_action(const api::Container& container, const api::Probe& probe,
                                         const std::string& address) {
  if (probe.exec) return health::ProbeAction(health::ExecAction{probe.exec->command});
  if (probe.http_get) {
    TRY_ASSIGN(health::HttpAction action, http_action(container, *probe.http_get, address));
    return health::ProbeAction(std::move(action));
  }
  if (probe.tcp_socket) {
    health::TcpAction action;
    action.host = probe.tcp_socket->host.empty() ? address : probe.tcp_socket->host;
    TRY_ASSIGN(action.port, resolve_port(container, probe.tcp_socket->port));
    return health::ProbeAction(std::move(action));
  }
  if (probe.grpc) {
    health::GrpcAction action;
    action.host = address;
    TRY_ASSIGN(action.port, resolve_port(container, {false, probe.grpc->port, {}}));
    action.service = probe.grpc->service;
    return health::ProbeAction(std::move(action));
  }
  return fail(Code::invalid_argument, "the probe names no action");
}

Result<std::optional<health::ProbeConfig>>
probe_config(const api::Container& container, const std::optional<api::Probe>& probe, const std::string& address) {
  if (!probe) return std::optional<health::ProbeConfig>();
  health::ProbeConfig config;
  TRY_ASSIGN(config.action, probe_action(container, *probe, address));
  config.timing.initial_delay = std::chrono::seconds(probe->initial_delay_seconds);
  config.timing.period = std::chrono::seconds(std::max(probe->period_seconds, 1));
  config.timing.timeout = std::chrono::seconds(std::max(probe->timeout_seconds, 1));
  config.timing.success_threshold = std::max(probe->success_threshold, 1);
  config.timing.failure_threshold = std::max(probe->failure_threshold, 1);
  if (probe->termination_grace_period_seconds)
    config.termination_grace_period = std::chrono::seconds(*probe->termination_grace_period_seconds);
  return std::optional<health::ProbeConfig>(std::move(config));
}

} // namespace

Result<health::ContainerProbes> container_probes(const api::Container& container, const std::string& address) {
  health::ContainerProbes probes;
  auto liveness = probe_config(container, container.liveness_probe, address);
  if (!liveness) return Fail(std::move(liveness).error().context("livenessProbe"));
  auto readiness = probe_config(container, container.readiness_probe, address);
  if (!readiness) return Fail(std::move(readiness).error().context("readinessProbe"));
  auto startup = probe_config(container, container.startup_probe, address);
  if (!startup) return Fail(std::move(startup).error().context("startupProbe"));
  probes.liveness = std::move(*liveness);
  probes.readiness = std::move(*readiness);
  probes.startup = std::move(*startup);
  return probes;
}

} // namespace keelson::daemon
