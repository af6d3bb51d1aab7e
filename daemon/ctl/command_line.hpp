// keelsonctl's command line: from words to the call of one command.
#pragma once

#include "base/error.hpp"

#include <functional>
#include <optional>

namespace keelson::daemon::ctl {

struct Invocation {
  std::function<Result<int>()> command;
  std::optional<int> exit_status; // --help, --version and mistakes: already printed
};

Invocation parse_command_line(int argc, const char* const* argv);

} // namespace keelson::daemon::ctl
