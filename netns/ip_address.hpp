// IPv4 and IPv6 addresses and prefixes as values. Pure: no system calls, no name lookups.
#pragma once

#include "base/error.hpp"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::netns {

enum class Family : std::uint8_t { ipv4 = 4, ipv6 = 6 };

// Ordered by family, then numerically. An IPv4 address fills the first four bytes.
class IpAddress {
 public:
  IpAddress() = default; // 0.0.0.0
  // Dotted quad or RFC 4291 text; no prefix length, no zone, no leading zeros in IPv4 octets. invalid_argument
  // otherwise. An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is refused: the two spellings would be two identities of
  // one address.
  static Result<IpAddress> parse(std::string_view text);
  static IpAddress from_bytes(Family family, const std::uint8_t* bytes);

  Family family() const { return family_; }
  bool is_v4() const { return family_ == Family::ipv4; }
  std::size_t size() const { return is_v4() ? 4 : 16; } // bytes
  unsigned bits() const { return is_v4() ? 32 : 128; }
  const std::uint8_t* data() const { return bytes_.data(); }
  bool is_unspecified() const; // 0.0.0.0 or ::
  bool is_loopback() const;    // 127.0.0.0/8 or ::1
  IpAddress next() const;      // plus one; the last address wraps to the unspecified one
  std::string text() const;    // canonical (RFC 5952)

  auto operator<=>(const IpAddress&) const = default;

 private:
  friend class IpPrefix;
  Family family_ = Family::ipv4;
  std::array<std::uint8_t, 16> bytes_{};
};

// A network in CIDR form. The host bits are zero always.
class IpPrefix {
 public:
  IpPrefix() = default; // 0.0.0.0/0
  // "10.1.0.0/16". Host bits that are set are refused: 10.1.0.5/16 is more often a mistake than a wish.
  static Result<IpPrefix> parse(std::string_view text);
  static IpPrefix of(const IpAddress& address, unsigned length); // clears the host bits

  const IpAddress& address() const { return address_; }
  unsigned length() const { return length_; }
  Family family() const { return address_.family(); }
  bool contains(const IpAddress& address) const;
  bool overlaps(const IpPrefix& other) const;
  IpAddress first_host() const; // the network address plus one: the gateway of a pod range
  IpAddress last() const;       // all host bits one: in IPv4 the broadcast address
  std::string text() const;

  auto operator<=>(const IpPrefix&) const = default;

 private:
  IpAddress address_;
  unsigned length_ = 0;
};

} // namespace keelson::netns
