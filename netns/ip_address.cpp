#include "netns/ip_address.hpp"

#include "base/text.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace keelson::netns {
namespace {

bool is_v4_mapped(const std::uint8_t* bytes) {
  static constexpr std::uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::memcmp(bytes, kMapped, sizeof(kMapped)) == 0;
}

// Clears (or sets) every bit after the first `length`.
void fill_host_bits(std::uint8_t* bytes, std::size_t size, unsigned length, bool ones) {
  for (std::size_t i = 0; i < size; ++i) {
    const unsigned first = static_cast<unsigned>(i) * 8;
    if (length >= first + 8) continue;
    const unsigned kept = length > first ? length - first : 0;
    const auto host_mask = static_cast<std::uint8_t>(0xffU >> kept);
    bytes[i] = static_cast<std::uint8_t>(ones ? bytes[i] | host_mask : bytes[i] & ~host_mask);
  }
}

} // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
  const bool v6 = text.find(':') != std::string_view::npos;
  IpAddress address;
  address.family_ = v6 ? Family::ipv6 : Family::ipv4;
  // inet_pton stops at a NUL byte: text that contains one must not pass as its prefix.
  const std::string terminated(text);
  if (text.size() > INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos ||
      inet_pton(v6 ? AF_INET6 : AF_INET, terminated.c_str(), address.bytes_.data()) != 1)
    return fail(Code::invalid_argument, "\"{}\" is not an IP address", printable(text, 64));
  if (v6 && is_v4_mapped(address.bytes_.data()))
    return fail(Code::invalid_argument, "\"{}\" is an IPv4 address in IPv6 form: write it as IPv4",
                printable(text, 64));
  return address;
}

IpAddress IpAddress::from_bytes(Family family, const std::uint8_t* bytes) {
  IpAddress address;
  address.family_ = family;
  std::memcpy(address.bytes_.data(), bytes, address.size());
  return address;
}

bool IpAddress::is_unspecified() const {
  return std::all_of(bytes_.begin(), bytes_.end(), [](std::uint8_t byte) { return byte == 0; });
}

bool IpAddress::is_loopback() const {
  if (is_v4()) return bytes_[0] == 127;
  return bytes_[15] == 1 && std::all_of(bytes_.begin(), bytes_.end() - 1, [](std::uint8_t byte) { return byte == 0; });
}

IpAddress IpAddress::next() const {
  IpAddress result = *this;
  for (std::size_t i = size(); i-- > 0;)
    if (++result.bytes_[i] != 0) break;
  return result;
}

std::string IpAddress::text() const {
  char buffer[INET6_ADDRSTRLEN] = {};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), buffer, sizeof(buffer));
  return buffer;
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos)
    return fail(Code::invalid_argument, "\"{}\" is not a network: write it as address/length", printable(text, 64));
  TRY_ASSIGN(const IpAddress address, IpAddress::parse(text.substr(0, slash)));
  const std::string_view digits = text.substr(slash + 1);
  const auto length = parse_int<unsigned>(digits);
  if (!length || *length > address.bits() || digits.size() > 3 || (digits.size() > 1 && digits[0] == '0'))
    return fail(Code::invalid_argument, "\"{}\": the prefix length is a number from 0 to {}", printable(text, 64),
                address.bits());
  IpPrefix prefix = of(address, *length);
  if (prefix.address_ != address)
    return fail(Code::invalid_argument, "\"{}\" has host bits set: the network is {}", printable(text, 64),
                prefix.text());
  return prefix;
}

IpPrefix IpPrefix::of(const IpAddress& address, unsigned length) {
  IpPrefix prefix;
  prefix.address_ = address;
  prefix.length_ = length;
  fill_host_bits(prefix.address_.bytes_.data(), address.size(), length, false);
  return prefix;
}

bool IpPrefix::contains(const IpAddress& address) const {
  return address.family() == family() && of(address, length_) == *this;
}

bool IpPrefix::overlaps(const IpPrefix& other) const {
  return contains(other.address_) || other.contains(address_);
}

IpAddress IpPrefix::first_host() const {
  return address_.next();
}

IpAddress IpPrefix::last() const {
  IpAddress result = address_;
  fill_host_bits(result.bytes_.data(), result.size(), length_, true);
  return result;
}

std::string IpPrefix::text() const {
  return fmt::format("{}/{}", address_.text(), length_);
}

} // namespace keelson::netns
