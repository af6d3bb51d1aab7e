// Unix stream sockets by path. Paths may be longer than sun_path (108 bytes): they are reached through the directory's
// descriptor. Descriptors are non-blocking where it is said, close-on-exec always.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace keelson {

// Binds and listens. A socket file that nobody listens on is replaced; one that answers gives already_exists.
Result<UniqueFd> listen_unix(const std::string& path, mode_t mode, int type_flags);
Result<UniqueFd> connect_unix(const std::string& path, int type_flags);

// One sendmsg(2)/recvmsg(2) with descriptors attached.
Result<std::size_t> send_with_fds(int socket, std::string_view data, const std::vector<int>& fds);
struct Received {
  std::size_t size = 0; // 0: the peer has closed
  std::vector<UniqueFd> fds;
};
Result<Received> receive_with_fds(int socket, char* buffer, std::size_t size);

} // namespace keelson
