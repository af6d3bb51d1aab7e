// What to probe and when: the probe section of a container, with every default and every port name resolved. Values
// only.
//
// Rules: "Configure Liveness, Readiness and Startup Probes" of the Kubernetes documentation, KEP-950 (startup probe),
// KEP-2238 (grace period of a probe), KEP-2727 (gRPC).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace keelson::health {

enum class ProbeKind { liveness, readiness, startup };
inline constexpr ProbeKind kProbeKinds[] = {ProbeKind::liveness, ProbeKind::readiness, ProbeKind::startup};

std::string_view to_string(ProbeKind kind); // "liveness", as metrics and messages have it
std::string_view to_title(ProbeKind kind);  // "Liveness", as events begin

// The defaults are those of the Kubernetes API.
struct ProbeTiming {
  std::chrono::milliseconds initial_delay{0}; // counted from the start of the container
  std::chrono::milliseconds period{10000};    // from the start of one probe to the start of the next
  std::chrono::milliseconds timeout{1000};
  int success_threshold = 1; // the API allows only 1 for liveness and startup
  int failure_threshold = 3;
  bool operator==(const ProbeTiming&) const = default;
};

struct HttpHeader {
  std::string name;
  std::string value;
  bool operator==(const HttpHeader&) const = default;
};

// The host of each network action is the pod's address unless the pod says otherwise; an address or a name.
struct HttpAction {
  bool tls = false; // HTTPS; the certificate is not verified
  std::string host;
  std::uint16_t port = 0;
  std::string path = "/"; // may carry a query
  std::vector<HttpHeader> headers;
  bool operator==(const HttpAction&) const = default;
};

struct TcpAction {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const TcpAction&) const = default;
};

struct GrpcAction {
  std::string host;
  std::uint16_t port = 0;
  std::string service; // empty: the server as a whole
  bool operator==(const GrpcAction&) const = default;
};

struct ExecAction {
  std::vector<std::string> command; // not run by a shell
  bool operator==(const ExecAction&) const = default;
};

using ProbeAction = std::variant<HttpAction, TcpAction, GrpcAction, ExecAction>;

struct ProbeConfig {
  ProbeAction action;
  ProbeTiming timing;
  // Replaces the pod's grace period when this probe's failure kills the container.
  std::optional<std::chrono::seconds> termination_grace_period;
  bool operator==(const ProbeConfig&) const = default;
};

// The probes of one container; absent ones are not configured.
struct ContainerProbes {
  std::optional<ProbeConfig> liveness;
  std::optional<ProbeConfig> readiness;
  std::optional<ProbeConfig> startup;

  const std::optional<ProbeConfig>& of(ProbeKind kind) const {
    return kind == ProbeKind::liveness ? liveness : kind == ProbeKind::readiness ? readiness : startup;
  }
  bool operator==(const ContainerProbes&) const = default;
};

} // namespace keelson::health
