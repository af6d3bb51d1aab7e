#include "cgroups/io_values.hpp"

#include "base/text.hpp"
#include "cgroups/flat_keyed.hpp"

#include <algorithm>

namespace keelson::cgroups {
namespace {

Result<std::optional<std::uint64_t>> parse_io_amount(std::string_view text) {
  if (text == "max") return std::optional<std::uint64_t>();
  TRY_ASSIGN(const auto amount, parse_int<std::uint64_t>(text));
  return std::optional<std::uint64_t>(amount);
}

Fail bad_line(std::string_view file, std::string_view line) {
  return fail(Code::invalid_argument, "{}: \"{}\" is not a line of it", file, printable(line, 80));
}

void append_limit(std::string& text, std::string_view key, const std::optional<std::uint64_t>& amount) {
  text += amount ? fmt::format(" {}={}", key, *amount) : fmt::format(" {}=max", key);
}

} // namespace

Result<DeviceNumber> DeviceNumber::parse(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos)
    return fail(Code::invalid_argument, "\"{}\" is not a device number like 8:0", printable(text, 40));
  DeviceNumber device;
  TRY_ASSIGN(device.major, parse_int<std::uint32_t>(text.substr(0, colon)));
  TRY_ASSIGN(device.minor, parse_int<std::uint32_t>(text.substr(colon + 1)));
  return device;
}

std::string format(const DeviceNumber& value) {
  return fmt::format("{}:{}", value.major, value.minor);
}

Result<std::vector<IoLimit>> parse_io_max(std::string_view text) {
  std::vector<IoLimit> limits;
  for (const std::string_view line : lines_of(text)) {
    const auto words = split_words(line);
    IoLimit limit;
    TRY_ASSIGN(limit.device, DeviceNumber::parse(words[0]));
    for (std::size_t i = 1; i < words.size(); ++i) {
      TRY_ASSIGN(const auto assignment, parse_assignment(words[i]));
      TRY_ASSIGN(const auto amount, parse_io_amount(assignment.second));
      if (assignment.first == "rbps") limit.read_bytes_per_second = amount;
      if (assignment.first == "wbps") limit.write_bytes_per_second = amount;
      if (assignment.first == "riops") limit.read_ops_per_second = amount;
      if (assignment.first == "wiops") limit.write_ops_per_second = amount;
    }
    limits.push_back(limit);
  }
  return limits;
}

std::string format(const IoLimit& value) {
  std::string text = format(value.device);
  append_limit(text, "rbps", value.read_bytes_per_second);
  append_limit(text, "wbps", value.write_bytes_per_second);
  append_limit(text, "riops", value.read_ops_per_second);
  append_limit(text, "wiops", value.write_ops_per_second);
  return text;
}

Result<IoWeight> IoWeight::parse(std::string_view text) {
  IoWeight weight;
  for (const std::string_view line : lines_of(text)) {
    const auto words = split_words(line);
    if (words.size() > 2) return bad_line("weight", line);
    TRY_ASSIGN(const auto amount, parse_int<std::uint64_t>(words.back()));
    if (words.size() == 1 || words[0] == "default") {
      weight.standard = amount;
    } else {
      TRY_ASSIGN(const auto device, DeviceNumber::parse(words[0]));
      weight.devices[device] = amount;
    }
  }
  return weight;
}

std::uint64_t io_weight_from_blkio(std::uint64_t blkio_weight) {
  return 1 + (std::clamp(blkio_weight, kMinBlkioWeight, kMaxBlkioWeight) - kMinBlkioWeight) * 9999 / 990;
}

Result<std::vector<IoDeviceStat>> parse_io_stat(std::string_view text) {
  std::vector<IoDeviceStat> stats;
  for (const std::string_view line : lines_of(text)) {
    bool first = true;
    for (const std::string_view word : split_words(line)) {
      // Kernels 5.x print a device without statistics and no newline: "8:16 8:0 rbytes=1 ...".
      if (first || word.find('=') == std::string_view::npos) {
        TRY_ASSIGN(const auto device, DeviceNumber::parse(word));
        stats.push_back(IoDeviceStat{device});
        first = false;
        continue;
      }
      TRY_ASSIGN(const auto assignment, parse_assignment(word));
      std::uint64_t* target = nullptr;
      if (assignment.first == "rbytes") target = &stats.back().read_bytes;
      if (assignment.first == "wbytes") target = &stats.back().write_bytes;
      if (assignment.first == "rios") target = &stats.back().read_ops;
      if (assignment.first == "wios") target = &stats.back().write_ops;
      if (target == nullptr) continue; // dbytes, dios, cost.*, and what newer kernels add
      TRY_ASSIGN(*target, parse_int<std::uint64_t>(assignment.second));
    }
  }
  return stats;
}

Result<std::map<DeviceNumber, BlkioCount>> parse_blkio_counts(std::string_view text) {
  std::map<DeviceNumber, BlkioCount> counts;
  for (const std::string_view line : lines_of(text)) {
    const auto words = split_words(line);
    if (words[0] == "Total" && words.size() == 2) continue;
    if (words.size() != 3) return bad_line("blkio", line);
    TRY_ASSIGN(const auto device, DeviceNumber::parse(words[0]));
    TRY_ASSIGN(const auto amount, parse_int<std::uint64_t>(words[2]));
    if (words[1] == "Read") counts[device].reads = amount;
    if (words[1] == "Write") counts[device].writes = amount;
  }
  return counts;
}

Result<std::map<DeviceNumber, std::uint64_t>> parse_device_values(std::string_view text) {
  std::map<DeviceNumber, std::uint64_t> values;
  for (const std::string_view line : lines_of(text)) {
    const auto words = split_words(line);
    if (words.size() != 2) return bad_line("blkio.throttle", line);
    TRY_ASSIGN(const auto device, DeviceNumber::parse(words[0]));
    TRY_ASSIGN(values[device], parse_int<std::uint64_t>(words[1]));
  }
  return values;
}

} // namespace keelson::cgroups
