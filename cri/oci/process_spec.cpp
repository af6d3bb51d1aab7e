#include "cri/oci/process_spec.hpp"

#include "base/text.hpp"

#include <sys/resource.h>

#include <array>
#include <utility>

namespace keelson::cri {

Result<int> rlimit_number(const std::string& type) {
  static constexpr std::array<std::pair<std::string_view, int>, 16> kRlimits = {{
      {"RLIMIT_AS", RLIMIT_AS},
      {"RLIMIT_CORE", RLIMIT_CORE},
      {"RLIMIT_CPU", RLIMIT_CPU},
      {"RLIMIT_DATA", RLIMIT_DATA},
      {"RLIMIT_FSIZE", RLIMIT_FSIZE},
      {"RLIMIT_LOCKS", RLIMIT_LOCKS},
      {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
      {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
      {"RLIMIT_NICE", RLIMIT_NICE},
      {"RLIMIT_NOFILE", RLIMIT_NOFILE},
      {"RLIMIT_NPROC", RLIMIT_NPROC},
      {"RLIMIT_RSS", RLIMIT_RSS},
      {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
      {"RLIMIT_RTTIME", RLIMIT_RTTIME},
      {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
      {"RLIMIT_STACK", RLIMIT_STACK},
  }};
  for (const auto& [name, number] : kRlimits)
    if (name == type) return number;
  return fail(Code::invalid_argument, "\"{}\" is no resource limit; write names like RLIMIT_NOFILE",
              printable(type, 64));
}

} // namespace keelson::cri
