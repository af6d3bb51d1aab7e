// An rtnetlink socket and the messages it carries. The socket belongs to the network namespace of the thread that opens
// it, whichever thread uses it later. Messages are put together with libnl.
#pragma once

#include "base/error.hpp"
#include "base/unique_fd.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

struct nl_msg;
struct nlmsghdr;

namespace keelson::netns {

// A request under construction. Attributes go in order; the last opened nest is closed first.
class RouteMessage {
 public:
  RouteMessage(int type, int flags, const void* header, std::size_t header_size);

  RouteMessage& put(int attribute, const void* data, std::size_t size);
  RouteMessage& put_u8(int attribute, std::uint8_t value) { return put(attribute, &value, sizeof(value)); }
  RouteMessage& put_u32(int attribute, std::uint32_t value) { return put(attribute, &value, sizeof(value)); }
  RouteMessage& put_text(int attribute, const std::string& text); // with its NUL byte
  void* begin_nest(int attribute);
  void end_nest(void* nest);
  // Bytes without an attribute's head, as the header of a veth's peer.
  RouteMessage& append(const void* data, std::size_t size);

 private:
  friend class RouteSocket;
  struct Free {
    void operator()(nl_msg* message) const;
  };
  std::unique_ptr<nl_msg, Free> message_;
};

// One thread at a time.
class RouteSocket {
 public:
  static Result<RouteSocket> open();

  // Sends the request and waits for its acknowledgement. The error is "<what>: <reason>", with the kernel's own words
  // where it has some (NETLINK_EXT_ACK) and its errno.
  Result<> execute(RouteMessage& request, std::string_view what);

  // Sends the request and calls `each` for every answer.
  Result<> query(RouteMessage& request, std::string_view what, const std::function<void(const nlmsghdr&)>& each);

 private:
  explicit RouteSocket(UniqueFd fd)
      : fd_(std::move(fd)) {}
  Result<> send(RouteMessage& request, std::string_view what);
  // Reads one datagram; true when the request is answered in full.
  Result<bool> receive(std::string_view what, const std::function<void(const nlmsghdr&)>& each);

  UniqueFd fd_;
  std::uint32_t sequence_ = 0;
};

} // namespace keelson::netns
