// Programs as sealed files in memory: nobody can write to them, whatever /proc/PID/exe is opened (CVE-2019-5736).
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <string>

namespace keelson::cri::monitor {

// A sealed copy of the file, executable through its descriptor.
Result<UniqueFd> seal_program(int fd, const char* name);

// The running program: itself if it is sealed already, otherwise a sealed copy.
Result<UniqueFd> open_sealed_self();

} // namespace keelson::cri::monitor
