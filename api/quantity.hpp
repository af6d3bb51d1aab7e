// Kubernetes quantities: exact decimal numbers with a unit, such as 128Mi, 1500m, 0.5 or 12e6.
//
// Rules: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/. A quantity has at most nine
// places after the point (finer input is rounded away from zero) and a magnitude of at most 2^63-1 (larger is capped).
#pragma once

#include "base/error.hpp"
#include "base/units.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace keelson::api {

class Quantity {
 public:
  enum class Format { decimal_si, binary_si, decimal_exponent };

  Quantity() = default; // zero
  static Result<Quantity> parse(std::string_view text);
  static Quantity from_value(std::int64_t value, Format format = Format::decimal_si);
  static Quantity from_milli(std::int64_t milli, Format format = Format::decimal_si);

  // The canonical form: no fraction, the largest suffix that loses nothing. 1.5Gi gives 1536Mi, 0.5 gives 500m.
  std::string to_string() const;

  // Rounded away from zero and saturated to the range of the type.
  std::int64_t value() const;
  std::int64_t milli_value() const;
  Bytes bytes() const { return Bytes{value()}; }
  MilliCpu milli_cpu() const { return MilliCpu{milli_value()}; }

  bool is_zero() const { return nanos_ == 0; }
  int sign() const { return nanos_ > 0 ? 1 : nanos_ < 0 ? -1 : 0; }
  bool is_whole() const; // no fraction of one
  Format format() const { return format_; }

  Quantity rounded_to_milli() const;           // finer than a thousandth: rounded away from zero
  Quantity& operator+=(const Quantity& other); // saturates
  Quantity& operator-=(const Quantity& other);
  friend Quantity operator+(Quantity a, const Quantity& b) { return a += b; }
  friend Quantity operator-(Quantity a, const Quantity& b) { return a -= b; }

  // How often the divisor fits, rounded up, as resourceFieldRef counts. A divisor of zero counts as one.
  std::int64_t divided_by(const Quantity& divisor) const;

  // By value: 1024 and 1Ki are equal.
  friend bool operator==(const Quantity& a, const Quantity& b) { return a.nanos_ == b.nanos_; }
  friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) { return a.nanos_ <=> b.nanos_; }

 private:
  __extension__ typedef __int128 Nanos; // 2^63-1 with nine places needs 93 bits
  friend struct QuantityParser;
  Quantity(Nanos nanos, Format format)
      : nanos_(nanos)
      , format_(format) {}

  Nanos nanos_ = 0;
  Format format_ = Format::decimal_si;
};

// Amounts by resource name: cpu, memory, ephemeral-storage, hugepages-2Mi, example.com/device.
using ResourceList = std::map<std::string, Quantity>;

// The amount of one resource; zero if it is absent.
Quantity amount_of(const ResourceList& list, std::string_view resource);

} // namespace keelson::api
