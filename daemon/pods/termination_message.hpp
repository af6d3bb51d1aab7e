// The last words of a container: what it wrote to its termination message file, or the end of its log.
#pragma once

#include "daemon/pods/pod_runtime.hpp"

#include <string>

namespace keelson::daemon {

// Bytes that each container of a pod may say: 4 KiB, and 12 KiB for the pod as a whole.
std::size_t message_limit(std::size_t containers);

// Empty if there is none. Reads files that the container wrote: hostile content, no special files.
std::string termination_message(const ContainerRecord& record, std::size_t limit);

// The text of the last lines of a log in the CRI format, at most `limit` bytes and 80 lines.
std::string tail_of_log(std::string_view log, std::size_t limit);

} // namespace keelson::daemon
