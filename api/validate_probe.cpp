#include "api/problems.hpp"

#include <algorithm>
#include <limits>

namespace keelson::api {

namespace {

constexpr std::int64_t kMaxInt = std::numeric_limits<std::int32_t>::max();

void check_port(Problems& problems, const std::string& path, const IntOrString& port, const Container* container) {
  if (!port.is_name) {
    problems.range(path, port.number, 1, 65535);
    return;
  }
  problems.name(path, port.name, is_port_name, "a port number or a name of at most 15 of a-z, 0-9 and -");
  if (container == nullptr) return;
  const bool known = std::any_of(container->ports.begin(), container->ports.end(),
                                 [&](const ContainerPort& candidate) { return candidate.name == port.name; });
  if (!known) problems.add(path, "the container has no port named \"{}\"", printable(port.name, 80));
}

bool is_token_character(char c) {
  const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool has_line_break(std::string_view text) {
  return text.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos;
}

void check_http(Problems& problems, const std::string& path, const HttpGetAction& action, const Container* container) {
  check_port(problems, path + ".port", action.port, container);
  if (has_line_break(action.path)) problems.add(path + ".path", "contains a line break or a NUL byte");
  if (has_line_break(action.host)) problems.add(path + ".host", "contains a line break or a NUL byte");
  for (std::size_t i = 0; i < action.http_headers.size(); ++i) {
    const auto& [name, value, extra] = action.http_headers[i];
    const std::string header = at(path, "httpHeaders", i);
    if (name.empty() || !std::all_of(name.begin(), name.end(), is_token_character)) {
      problems.add(header + ".name", "\"{}\" is not a header name", printable(name, 80));
    }
    if (has_line_break(value)) problems.add(header + ".value", "contains a line break or a NUL byte");
  }
}

void check_exec(Problems& problems, const std::string& path, const ExecAction& action) {
  if (action.command.empty()) problems.add(path + ".command", "is required");
  for (std::size_t i = 0; i < action.command.size(); ++i) problems.no_nul(at(path, "command", i), action.command[i]);
}

void check_numbers(Problems& problems, const std::string& path, const Probe& probe) {
  problems.range(path + ".initialDelaySeconds", probe.initial_delay_seconds, 0, kMaxInt);
  problems.range(path + ".timeoutSeconds", probe.timeout_seconds, 1, kMaxInt);
  problems.range(path + ".periodSeconds", probe.period_seconds, 1, kMaxInt);
  problems.range(path + ".successThreshold", probe.success_threshold, 1, kMaxInt);
  problems.range(path + ".failureThreshold", probe.failure_threshold, 1, kMaxInt);
  if (probe.termination_grace_period_seconds && *probe.termination_grace_period_seconds <= 0) {
    problems.add(path + ".terminationGracePeriodSeconds", "must be greater than 0");
  }
}

void check_probe(Problems& problems, const std::string& path, const Probe& probe, const Container& container) {
  const int handlers =
      probe.exec.has_value() + probe.http_get.has_value() + probe.tcp_socket.has_value() + probe.grpc.has_value();
  if (handlers != 1) problems.add(path, "needs exactly one of exec, httpGet, tcpSocket and grpc, has {}", handlers);
  if (probe.exec) check_exec(problems, path + ".exec", *probe.exec);
  if (probe.http_get) check_http(problems, path + ".httpGet", *probe.http_get, &container);
  if (probe.tcp_socket) check_port(problems, path + ".tcpSocket.port", probe.tcp_socket->port, &container);
  if (probe.grpc) problems.range(path + ".grpc.port", probe.grpc->port, 1, 65535);
  check_numbers(problems, path, probe);
}

void check_one_success(Problems& problems, const std::string& path, const Probe& probe) {
  if (probe.success_threshold != 1) problems.add(path + ".successThreshold", "must be 1");
}

void check_handler(Problems& problems, const std::string& path, const LifecycleHandler& handler, const Pod& pod) {
  const int handlers = handler.exec.has_value() + handler.http_get.has_value() + handler.tcp_socket.has_value() +
                       handler.sleep.has_value();
  if (handlers != 1) problems.add(path, "needs exactly one of exec, httpGet, tcpSocket and sleep, has {}", handlers);
  if (handler.exec) check_exec(problems, path + ".exec", *handler.exec);
  if (handler.http_get) check_http(problems, path + ".httpGet", *handler.http_get, nullptr);
  if (handler.tcp_socket) check_port(problems, path + ".tcpSocket.port", handler.tcp_socket->port, nullptr);
  if (handler.sleep) {
    problems.range(path + ".sleep.seconds", handler.sleep->seconds, 0,
                   pod.spec.termination_grace_period_seconds.value_or(30));
  }
}

} // namespace

void validate_probes(Problems& problems, const std::string& path, const Container& container, ContainerRole role) {
  if (role == ContainerRole::init && !is_sidecar(container)) {
    const bool any = container.liveness_probe || container.readiness_probe || container.startup_probe;
    if (any)
      problems.add(path, "an init container that ends cannot have probes: remove them or set restartPolicy Always");
    return;
  }
  if (container.liveness_probe) {
    check_probe(problems, path + ".livenessProbe", *container.liveness_probe, container);
    check_one_success(problems, path + ".livenessProbe", *container.liveness_probe);
  }
  if (container.startup_probe) {
    check_probe(problems, path + ".startupProbe", *container.startup_probe, container);
    check_one_success(problems, path + ".startupProbe", *container.startup_probe);
  }
  if (container.readiness_probe) {
    check_probe(problems, path + ".readinessProbe", *container.readiness_probe, container);
    if (container.readiness_probe->termination_grace_period_seconds) {
      problems.add(path + ".readinessProbe.terminationGracePeriodSeconds", "must not be set: it never kills");
    }
  }
}

void validate_lifecycle(Problems& problems, const std::string& path, const Lifecycle& lifecycle, const Pod& pod) {
  if (lifecycle.post_start) check_handler(problems, path + ".postStart", *lifecycle.post_start, pod);
  if (lifecycle.pre_stop) check_handler(problems, path + ".preStop", *lifecycle.pre_stop, pod);
  if (!lifecycle.stop_signal.empty() && !lifecycle.stop_signal.starts_with("SIG")) {
    problems.add(path + ".stopSignal", "\"{}\" is not a signal such as SIGTERM", printable(lifecycle.stop_signal, 40));
  }
}

} // namespace keelson::api
