// The last step of an exec: finding the program in the container and becoming it.
#pragma once

#include "base/error.hpp"

#include <string>
#include <vector>

namespace keelson::cri::monitor {

struct ExecFailure {
  Error error;
  int exit_code; // the shell's: 127 not found, 126 found but not executable
};

// Returns only on failure. PATH is taken from env, as the container's; without one, the default of execvp.
ExecFailure execute_program(const std::vector<std::string>& argv, const std::vector<std::string>& env);

} // namespace keelson::cri::monitor
