#include "cri/oci/runtime_version.hpp"

#include "base/json.hpp"
#include "base/process.hpp"
#include "base/text.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <compare>
#include <tuple>

namespace keelson::cri {
namespace {

struct Floor {
  unsigned major, minor, patch;
};

struct Flaw {
  std::string_view runtime;
  std::string_view id;
  std::string_view what;
  std::array<Floor, 3> fixed; // first fixed version of each release line, ascending; unused ones repeat the last
};

// From the advisories of the projects (runc CHANGELOG and GHSA pages, crun release notes).
constexpr std::array<Flaw, 7> kFlaws = {{
    {"runc",
     "CVE-2021-30465",
     "a mount can be led outside the root file system by a symlink race",
     {{{1, 0, 0}, {1, 0, 0}, {1, 0, 0}}}},
    {"runc",
     "CVE-2024-21626",
     "a leaked descriptor gives images the host's file system",
     {{{1, 1, 12}, {1, 1, 12}, {1, 1, 12}}}},
    {"runc",
     "CVE-2025-31133",
     "masked paths can be pointed elsewhere by /dev/null",
     {{{1, 2, 8}, {1, 3, 3}, {1, 4, 0}}}},
    {"runc", "CVE-2025-52565", "/dev/console can be mounted elsewhere", {{{1, 2, 8}, {1, 3, 3}, {1, 4, 0}}}},
    {"runc", "CVE-2025-52881", "writes to procfs can be redirected", {{{1, 2, 8}, {1, 3, 3}, {1, 4, 0}}}},
    {"runc",
     "CVE-2026-41579",
     "a /dev symlink in an image creates files on the host",
     {{{1, 3, 6}, {1, 4, 3}, {1, 5, 0}}}},
    {"crun", "CVE-2022-27650", "capabilities are inheritable by default", {{{1, 4, 4}, {1, 4, 4}, {1, 4, 4}}}},
}};

// Fixes that a distribution put into an older upstream version: package version and what it fixes.
struct Backport {
  std::string_view package_prefix;
  std::string_view id;
};
constexpr std::array<Backport, 1> kBackports = {{
    {"1.1.5+ds1-1+deb12u", "CVE-2024-21626"}, // DSA-5615-1
}};

bool is_fixed(const RuntimeVersion& version, const Flaw& flaw) {
  const auto tuple = std::tie(version.major, version.minor, version.patch);
  for (const Floor& floor : flaw.fixed) {
    const bool same_line = floor.major == version.major && floor.minor == version.minor;
    if (same_line) return tuple >= std::tie(floor.major, floor.minor, floor.patch);
  }
  const Floor& last = flaw.fixed.back();
  return tuple >= std::tie(last.major, last.minor, last.patch);
}

bool is_backported(const RuntimeVersion& version, const Flaw& flaw) {
  return std::any_of(kBackports.begin(), kBackports.end(), [&](const Backport& backport) {
    return backport.id == flaw.id &&
           version.package.compare(0, backport.package_prefix.size(), backport.package_prefix) == 0;
  });
}

Result<> parse_numbers(std::string_view text, RuntimeVersion& version) {
  const std::size_t end = text.find_first_not_of("0123456789.");
  version.prerelease = end != std::string_view::npos && text[end] == '-';
  const auto parts = split(text.substr(0, end), '.');
  if (parts.size() < 2 || parts.size() > 3) return fail(Code::invalid_argument, "is not MAJOR.MINOR.PATCH");
  TRY_ASSIGN(version.major, parse_int<unsigned>(parts[0]));
  TRY_ASSIGN(version.minor, parse_int<unsigned>(parts[1]));
  if (parts.size() == 3) {
    TRY_ASSIGN(version.patch, parse_int<unsigned>(parts[2]));
  }
  return {};
}

} // namespace

Result<RuntimeVersion> parse_runtime_version(std::string_view output) {
  RuntimeVersion version;
  for (const std::string_view line : split(output, '\n')) {
    const auto words = split_words(line);
    if (version.name.empty() && words.size() >= 3 && words[1] == "version") {
      version.name = words[0];
      version.text = words[2];
    } else if (words.size() == 2 && words[0] == "commit:" && words[1].find('-') != std::string_view::npos) {
      version.package = words[1]; // Debian puts its package version there; upstream has a hash with or without v1.2-N-g
    }
  }
  if (version.name.empty())
    return fail(Code::invalid_argument, "\"{}\" does not look like the output of an OCI runtime's --version",
                printable(output, 80));
  TRY_CONTEXT(parse_numbers(version.text, version), "{} version \"{}\"", printable(version.name, 32),
              printable(version.text, 64));
  return version;
}

bool at_least(const RuntimeVersion& version, unsigned major, unsigned minor, unsigned patch) {
  const auto have = std::tie(version.major, version.minor, version.patch);
  const auto want = std::tie(major, minor, patch);
  return version.prerelease ? have > want : have >= want;
}

std::vector<std::string> known_flaws(const RuntimeVersion& version) {
  std::vector<std::string> lines;
  for (const Flaw& flaw : kFlaws) {
    if (flaw.runtime != version.name || is_fixed(version, flaw) || is_backported(version, flaw)) continue;
    const Floor& first = flaw.fixed.front();
    lines.push_back(fmt::format("{}: {}; fixed in {} {}.{}.{}", flaw.id, flaw.what, flaw.runtime, first.major,
                                first.minor, first.patch));
  }
  return lines;
}

Result<RuntimeFeatures> parse_runtime_features(std::string_view json) {
  TRY_ASSIGN(const json::value document, json::parse(json));
  if (!document.is_object()) return fail(Code::invalid_argument, "runtime features: not a JSON object");
  RuntimeFeatures features;
  features.known = true;
  if (const json::array* options = json::find_array(document.get_object(), "mountOptions"))
    features.recursive_read_only = std::any_of(options->begin(), options->end(), [](const json::value& option) {
      return option.is_string() && option.get_string() == "rro";
    });
  return features;
}

Result<RuntimeInfo> probe_runtime(const std::string& path) {
  const auto limits = [] { return RunLimits{Deadline::after(std::chrono::seconds(10)), std::size_t{1} << 20}; };
  auto output = check_output({path, "--version"}, limits());
  if (!output)
    return Fail(std::move(output).error().context(
        fmt::format("OCI runtime \"{}\" does not run; install it (apt-get install runc) or set its path", path)));
  RuntimeInfo info;
  TRY_ASSIGN(info.version, parse_runtime_version(*output));
  // crun before 1.9 has no such command: then nothing is known, and optional features are refused.
  if (const auto text = check_output({path, "features"}, limits()))
    if (auto features = parse_runtime_features(*text)) info.features = *features;
  return info;
}

} // namespace keelson::cri
