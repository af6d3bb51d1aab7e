#include "netns/route_socket.hpp"

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <cstring>
#include <new>
#include <vector>

namespace keelson::netns {
namespace {

constexpr std::size_t kReceiveSize = std::size_t{64} << 10; // the kernel fills dumps up to 32 KiB

void check(int libnl_result) {
  // The only failure is a message that cannot grow.
  if (libnl_result < 0) throw std::bad_alloc();
}

// The kernel's words on why, if it sent any (NETLINK_EXT_ACK).
std::string reason_of(const nlmsghdr& header) {
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  const auto* body = static_cast<const nlmsgerr*>(nlmsg_data(&header));
  std::size_t skip = sizeof(nlmsgerr);
  if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) skip += body->msg.nlmsg_len - sizeof(nlmsghdr);
  skip = NLMSG_ALIGN(skip);
  const auto size = static_cast<std::size_t>(nlmsg_datalen(&header));
  if (skip >= size) return {};
  auto* first = reinterpret_cast<nlattr*>(const_cast<char*>(reinterpret_cast<const char*>(body)) + skip);
  const nlattr* text = nla_find(first, static_cast<int>(size - skip), NLMSGERR_ATTR_MSG);
  if (text == nullptr) return {};
  return {static_cast<const char*>(nla_data(text)),
          strnlen(static_cast<const char*>(nla_data(text)), static_cast<std::size_t>(nla_len(text)))};
}

} // namespace

void RouteMessage::Free::operator()(nl_msg* message) const {
  nlmsg_free(message);
}

RouteMessage::RouteMessage(int type, int flags, const void* header, std::size_t header_size)
    : message_(nlmsg_alloc_simple(type, NLM_F_REQUEST | flags)) {
  if (!message_) throw std::bad_alloc();
  append(header, header_size);
}

RouteMessage& RouteMessage::put(int attribute, const void* data, std::size_t size) {
  check(nla_put(message_.get(), attribute, static_cast<int>(size), data));
  return *this;
}

RouteMessage& RouteMessage::put_text(int attribute, const std::string& text) {
  return put(attribute, text.c_str(), text.size() + 1);
}

void* RouteMessage::begin_nest(int attribute) {
  nlattr* nest = nla_nest_start(message_.get(), attribute);
  if (nest == nullptr) throw std::bad_alloc();
  return nest;
}

void RouteMessage::end_nest(void* nest) {
  check(nla_nest_end(message_.get(), static_cast<nlattr*>(nest)));
}

RouteMessage& RouteMessage::append(const void* data, std::size_t size) {
  check(nlmsg_append(message_.get(), const_cast<void*>(data), size, NLMSG_ALIGNTO));
  return *this;
}

Result<RouteSocket> RouteSocket::open() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return fail_errno(errno, "open an rtnetlink socket");
  const int on = 1;
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)); // only words get lost without it
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
  // A request to list one kind of link must not list the others too.
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
    return fail_errno(errno, "bind an rtnetlink socket");
  return RouteSocket(std::move(fd));
}

Result<> RouteSocket::send(RouteMessage& request, std::string_view what) {
  nlmsghdr* header = nlmsg_hdr(request.message_.get());
  header->nlmsg_seq = ++sequence_;
  header->nlmsg_pid = 0;
  while (::send(fd_.get(), header, header->nlmsg_len, 0) < 0)
    if (errno != EINTR) return fail_errno(errno, "{}", what);
  return {};
}

Result<bool> RouteSocket::receive(std::string_view what, const std::function<void(const nlmsghdr&)>& each) {
  thread_local std::vector<char> buffer(kReceiveSize);
  sockaddr_nl from{};
  socklen_t from_size = sizeof(from);
  const ssize_t size =
      recvfrom(fd_.get(), buffer.data(), buffer.size(), MSG_TRUNC, reinterpret_cast<sockaddr*>(&from), &from_size);
  if (size < 0 && errno == EINTR) return false;
  if (size < 0) return fail_errno(errno, "{}", what);
  if (static_cast<std::size_t>(size) > buffer.size()) return fail(Code::internal, "{}: an answer is too long", what);
  if (from.nl_pid != 0) return false; // not from the kernel
  int left = static_cast<int>(size);
  for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, left);
       header = nlmsg_next(header, &left)) {
    if (header->nlmsg_seq != sequence_) continue; // the rest of a request that failed half-way
    if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) return fail(Code::aborted, "{}: changed while it was read", what);
    if (header->nlmsg_type == NLMSG_DONE) return true;
    if (header->nlmsg_type == NLMSG_ERROR) {
      const auto* error = static_cast<const nlmsgerr*>(nlmsg_data(header));
      if (error->error == 0) return true;
      const std::string reason = reason_of(*header);
      return reason.empty() ? fail_errno(-error->error, "{}", what)
                            : fail_errno(-error->error, "{} ({})", what, reason);
    }
    if (each) each(*header);
  }
  return false;
}

Result<> RouteSocket::execute(RouteMessage& request, std::string_view what) {
  nlmsg_hdr(request.message_.get())->nlmsg_flags |= NLM_F_ACK;
  return query(request, what, {});
}

Result<> RouteSocket::query(RouteMessage& request, std::string_view what,
                            const std::function<void(const nlmsghdr&)>& each) {
  const bool dump = (nlmsg_hdr(request.message_.get())->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  if (!dump) nlmsg_hdr(request.message_.get())->nlmsg_flags |= NLM_F_ACK; // marks the end of the answer
  TRY(send(request, what));
  for (;;) {
    TRY_ASSIGN(const bool done, receive(what, each));
    if (done) return {};
  }
}

} // namespace keelson::netns
