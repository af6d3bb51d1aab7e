// Contents of the io (v2) and blkio (v1) controllers' files. Pure: no system calls. Kernel documents:
// admin-guide/cgroup-v2.rst (IO) and admin-guide/cgroup-v1/blkio-controller.rst.
#pragma once

#include "base/error.hpp"

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::cgroups {

struct DeviceNumber {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  static Result<DeviceNumber> parse(std::string_view text); // "8:0"
  auto operator<=>(const DeviceNumber&) const = default;
};
std::string format(const DeviceNumber& value);

// One line of io.max. Empty: not limited.
struct IoLimit {
  DeviceNumber device;
  std::optional<std::uint64_t> read_bytes_per_second;
  std::optional<std::uint64_t> write_bytes_per_second;
  std::optional<std::uint64_t> read_ops_per_second;
  std::optional<std::uint64_t> write_ops_per_second;
  bool operator==(const IoLimit&) const = default;
};
Result<std::vector<IoLimit>> parse_io_max(std::string_view text);
std::string format(const IoLimit& value); // "8:0 rbps=1048576 wbps=max riops=max wiops=max"

// io.weight, io.bfq.weight, blkio.bfq.weight, blkio.weight: "default 100" and lines per device, or a bare number on v1.
struct IoWeight {
  std::uint64_t standard = 100;
  std::map<DeviceNumber, std::uint64_t> devices;
  static Result<IoWeight> parse(std::string_view text);
  bool operator==(const IoWeight&) const = default;
};

inline constexpr std::uint64_t kMinBlkioWeight = 10;
inline constexpr std::uint64_t kMaxBlkioWeight = 1000;
// 10..1000 to 1..10000: 1 + (weight - 10) * 9999 / 990, as runc does. Clamped first.
std::uint64_t io_weight_from_blkio(std::uint64_t blkio_weight);

struct IoDeviceStat {
  DeviceNumber device;
  std::uint64_t read_bytes = 0;
  std::uint64_t write_bytes = 0;
  std::uint64_t read_ops = 0;
  std::uint64_t write_ops = 0;
  bool operator==(const IoDeviceStat&) const = default;
};
Result<std::vector<IoDeviceStat>> parse_io_stat(std::string_view text);

// A line per device and operation, "8:0 Read 4096", with a last line "Total N": blkio.throttle.io_service_bytes and its
// like. Gives reads and writes by device.
struct BlkioCount {
  std::uint64_t reads = 0;
  std::uint64_t writes = 0;
  bool operator==(const BlkioCount&) const = default;
};
Result<std::map<DeviceNumber, BlkioCount>> parse_blkio_counts(std::string_view text);

// blkio.throttle.*_device: "8:0 1048576" per line.
Result<std::map<DeviceNumber, std::uint64_t>> parse_device_values(std::string_view text);

} // namespace keelson::cgroups
