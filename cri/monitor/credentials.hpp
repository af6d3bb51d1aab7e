// Who an exec runs as: user, groups, capabilities, no_new_privs and seccomp of the calling process.
#pragma once

#include "cri/monitor/protocol.hpp"

namespace keelson::cri::monitor {

// Changes the calling process for good, seccomp last where it may be: without no_new_privs the filter needs
// CAP_SYS_ADMIN and so comes before the final capability sets.
Result<> apply_credentials(const ExecRequest& request);

// invalid_argument if a value of the request cannot be one: ids over 32 bits, a filter that is no array of
// instructions.
Result<> check_exec_request(const ExecRequest& request);

} // namespace keelson::cri::monitor
