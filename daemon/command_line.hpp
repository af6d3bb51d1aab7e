// keelsond's command line: what to do, and the configuration that results from files and options.
#pragma once

#include "daemon/config.hpp"

#include <optional>
#include <string>

namespace keelson::daemon {

struct CommandLine {
  Config config;
  bool show_config = false;
  bool check_only = false;
  bool clean_up = false;
  std::optional<int> exit_status; // --help, --version and mistakes: already printed
};

// invalid_argument for a bad configuration; a bad command line is printed and gives exit_status.
Result<CommandLine> parse_command_line(int argc, char** argv);

} // namespace keelson::daemon
