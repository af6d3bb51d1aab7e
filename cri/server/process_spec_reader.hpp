// The confinement of a container's first process, read back from the config.json that it was started with.
#pragma once

#include "cri/oci/process_spec.hpp"

#include <string_view>

namespace keelson::cri {

// data_loss if the text is no OCI spec with a process. Capabilities, limits and the seccomp filter come back exactly;
// whatever a runtime would not apply either is left out.
Result<ProcessSpec> read_process_spec(std::string_view config_json);

} // namespace keelson::cri
