#include "base/unix_socket.hpp"

#include "base/file.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace keelson {

namespace {

constexpr std::size_t kMaxFds = 16;

// The address of a socket in a directory that is open: short, however long the path to it is.
struct Address {
  UniqueFd dir;
  sockaddr_un name{};
  socklen_t size = 0;
};

Result<Address> address_of(const std::string& path) {
  Address address;
  address.name.sun_family = AF_UNIX;
  std::string shown = path;
  if (path.size() >= sizeof address.name.sun_path) {
    const std::size_t slash = path.rfind('/');
    const std::string dir = slash == std::string::npos ? "." : path.substr(0, slash);
    TRY_ASSIGN(address.dir, open_at(AT_FDCWD, dir, O_PATH | O_DIRECTORY));
    shown =
        fmt::format("/proc/self/fd/{}/{}", address.dir.get(), path.substr(slash == std::string::npos ? 0 : slash + 1));
  }
  if (shown.size() >= sizeof address.name.sun_path) return fail_errno(ENAMETOOLONG, "socket {}", path);
  std::memcpy(address.name.sun_path, shown.c_str(), shown.size() + 1);
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + shown.size() + 1);
  return address;
}

Result<UniqueFd> make_socket(int type_flags) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0));
  if (!fd) return fail_errno(errno, "make a unix socket");
  return fd;
}

const sockaddr* as_sockaddr(const sockaddr_un& name) {
  return reinterpret_cast<const sockaddr*>(&name);
}

} // namespace

Result<UniqueFd> listen_unix(const std::string& path, mode_t mode, int type_flags) {
  if (exists(path)) {
    const auto connected = connect_unix(path, 0);
    if (connected) return fail(Code::already_exists, "socket {} is in use: another process listens on it", path);
    struct stat info {};
    if (::lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode))
      return fail(Code::already_exists, "{} is in the way of a socket and is none itself; remove it", path);
    if (connected.error().sys_errno != ECONNREFUSED) return Fail(connected.error());
    TRY(remove_file_at(AT_FDCWD, path));
  }
  TRY_ASSIGN(UniqueFd fd, make_socket(type_flags));
  TRY_ASSIGN(const Address address, address_of(path));
  // The mode is set before listen(2): nobody can connect while it is still the umask's.
  if (::bind(fd.get(), as_sockaddr(address.name), address.size) != 0) return fail_errno(errno, "bind socket {}", path);
  if (::chmod(path.c_str(), mode) != 0) return fail_errno(errno, "set mode of {}", path);
  if (::listen(fd.get(), SOMAXCONN) != 0) return fail_errno(errno, "listen on {}", path);
  return fd;
}

Result<UniqueFd> connect_unix(const std::string& path, int type_flags) {
  TRY_ASSIGN(UniqueFd fd, make_socket(type_flags));
  TRY_ASSIGN(const Address address, address_of(path));
  while (::connect(fd.get(), as_sockaddr(address.name), address.size) != 0)
    if (errno != EINTR) return fail_errno(errno, "connect to {}", path);
  return fd;
}

Result<std::size_t> send_with_fds(int socket, std::string_view data, const std::vector<int>& fds) {
  if (fds.size() > kMaxFds) return fail(Code::invalid_argument, "more than {} descriptors in one message", kMaxFds);
  iovec part{const_cast<char*>(data.data()), data.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  for (;;) {
    const ssize_t sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent >= 0) return static_cast<std::size_t>(sent);
    if (errno != EINTR) return fail_errno(errno, "send on a unix socket");
  }
}

Result<Received> receive_with_fds(int socket, char* buffer, std::size_t size) {
  iovec part{buffer, size};
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxFds * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (got < 0 && errno == EINTR);
  if (got < 0) return fail_errno(errno, "receive from a unix socket");
  Received received;
  received.size = static_cast<std::size_t>(got);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      received.fds.emplace_back(fd);
    }
  }
  return received;
}

} // namespace keelson
