#include "cgroups/group_name.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace keelson::cgroups {
namespace {

constexpr std::string_view kSliceSuffix = ".slice";
constexpr std::size_t kMaxNameSize = 255;

Result<> check_part(std::string_view part) {
  const bool control = std::any_of(part.begin(), part.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || c == '/';
  });
  if (part.empty() || part == "." || part == ".." || control || part.size() > kMaxNameSize)
    return fail(Code::invalid_argument, "\"{}\" cannot be the name of a cgroup", printable(part, 80));
  return {};
}

// systemd.unit(5): letters, digits and :-_.\ are legal in unit names; '@' would make a template instance of it.
Result<> check_unit_part(std::string_view part) {
  const bool legal = !part.empty() && part.size() <= kMaxNameSize && std::all_of(part.begin(), part.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(":-_.\\").find(c) != std::string_view::npos;
  });
  if (!legal)
    return fail(Code::invalid_argument, "\"{}\" cannot be in the name of a systemd unit", printable(part, 80));
  return {};
}

// The stem's parts between dashes: "kubepods-burstable" of "kubepods-burstable.slice"; none for "-.slice".
Result<std::vector<std::string_view>> slice_parts(std::string_view slice) {
  const auto bad = [&] {
    return fail(Code::invalid_argument, "\"{}\" is not the name of a systemd slice", printable(slice, 80));
  };
  if (!slice.ends_with(kSliceSuffix) || slice.size() > kMaxNameSize) return bad();
  const std::string_view stem = slice.substr(0, slice.size() - kSliceSuffix.size());
  if (stem == "-") return std::vector<std::string_view>();
  auto parts = split(stem, '-');
  for (const std::string_view part : parts) {
    if (!check_unit_part(part)) return bad();
  }
  return parts;
}

} // namespace

Result<GroupName> GroupName::parse(std::string_view path) {
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  if (path.empty()) return GroupName();
  std::vector<std::string> parts;
  for (const std::string_view part : split(path, '/')) parts.emplace_back(part);
  return make(std::move(parts));
}

Result<GroupName> GroupName::make(std::vector<std::string> parts) {
  for (const std::string& part : parts) TRY(check_part(part));
  return GroupName(std::move(parts));
}

Result<GroupName> GroupName::child(std::string part) const {
  TRY(check_part(part));
  GroupName name = *this;
  name.parts_.push_back(std::move(part));
  return name;
}

GroupName GroupName::parent() const {
  GroupName name = *this;
  if (!name.parts_.empty()) name.parts_.pop_back();
  return name;
}

std::string GroupName::cgroupfs_path() const {
  return "/" + join(parts_, "/");
}

Result<std::string> slice_of(const GroupName& name) {
  std::string slice;
  for (std::string part : name.parts()) {
    std::replace(part.begin(), part.end(), '-', '_');
    TRY(check_unit_part(part));
    if (!slice.empty()) slice += '-';
    slice += part;
  }
  if (slice.empty()) slice = "-";
  slice += kSliceSuffix;
  if (slice.size() > kMaxNameSize)
    return fail(Code::invalid_argument, "the slice of {} has a name longer than {} bytes",
                printable(name.cgroupfs_path()), kMaxNameSize);
  return slice;
}

Result<std::string> slice_path(std::string_view slice) {
  TRY_ASSIGN(const auto parts, slice_parts(slice));
  std::string path;
  std::string stem;
  for (const std::string_view part : parts) {
    if (!stem.empty()) stem += '-';
    stem += part;
    path += fmt::format("/{}{}", stem, kSliceSuffix);
  }
  return path.empty() ? "/" : path;
}

Result<std::string> slice_from_path(std::string_view path) {
  const std::size_t last = path.rfind('/');
  const std::string_view slice = path == "/" ? "-.slice" : path.substr(last == std::string_view::npos ? 0 : last + 1);
  const auto expected = slice_path(slice);
  if (!expected || *expected != path)
    return fail(Code::invalid_argument, "\"{}\" is not the path of a systemd slice", printable(path));
  return std::string(slice);
}

Result<GroupName> name_of_slice(std::string_view slice) {
  TRY_ASSIGN(const auto parts, slice_parts(slice));
  return GroupName::make(std::vector<std::string>(parts.begin(), parts.end()));
}

Result<SystemdCgroupsPath> SystemdCgroupsPath::parse(std::string_view text) {
  const auto parts = split(text, ':');
  if (parts.size() != 3 || parts[2].empty())
    return fail(Code::invalid_argument,
                "\"{}\" is not of the form slice:prefix:name, which the systemd cgroup driver needs", printable(text));
  SystemdCgroupsPath path{std::string(parts[0]), std::string(parts[1]), std::string(parts[2])};
  if (!path.slice.empty()) TRY(slice_parts(path.slice));
  if (!path.prefix.empty()) TRY(check_unit_part(path.prefix));
  TRY(check_unit_part(path.name));
  return path;
}

std::string format(const SystemdCgroupsPath& value) {
  return fmt::format("{}:{}:{}", value.slice, value.prefix, value.name);
}

std::string unit_of(const SystemdCgroupsPath& value) {
  if (value.name.ends_with(kSliceSuffix)) return value.name;
  if (value.prefix.empty()) return value.name + ".scope";
  return fmt::format("{}-{}.scope", value.prefix, value.name);
}

Result<std::string> path_of(const SystemdCgroupsPath& value) {
  TRY_ASSIGN(std::string path, slice_path(value.slice.empty() ? "system.slice" : value.slice));
  if (path != "/") path += '/';
  return path + unit_of(value);
}

} // namespace keelson::cgroups
