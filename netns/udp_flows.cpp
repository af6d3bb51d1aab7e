#include "netns/udp_flows.hpp"

#include "base/process.hpp"
#include "base/text.hpp"

namespace keelson::netns {
namespace {

std::vector<std::string> arguments(const PortMapping& port, Family family) {
  return {"-D",
          "-f",
          family == Family::ipv4 ? "ipv4" : "ipv6",
          "-p",
          "udp",
          "--orig-port-dst",
          std::to_string(port.host_port)};
}

} // namespace

std::vector<std::string> flows_to_pod_arguments(const PortMapping& port, const IpAddress& pod) {
  auto result = arguments(port, pod.family());
  result.insert(result.end(), {"--reply-src", pod.text()});
  return result;
}

std::vector<std::string> flows_to_node_arguments(const PortMapping& port, const IpAddress& node) {
  auto result = arguments(port, node.family());
  result.insert(result.end(), {"--orig-dst", node.text()});
  return result;
}

Result<> delete_flows(const std::string& program, std::vector<std::string> arguments, Deadline deadline) {
  SpawnOptions options;
  options.argv = {program};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  TRY_ASSIGN(const RunOutput output, run_command(std::move(options), {deadline, std::size_t{64} << 10}));
  // Exit status 1 with this sentence: nothing matched.
  if (output.status.success() || output.err.find("0 flow entries have been deleted") != std::string::npos) return {};
  return fail(Code::internal, "{}: exit status {}: {}", program, output.status.code(), printable(trim(output.err)));
}

} // namespace keelson::netns
