#include "cri/oci/seccomp_profile.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "cri/oci/capabilities.hpp"
#include "cri/oci/seccomp_names.hpp"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace keelson::cri {
namespace {

// Names of Go's GOARCH, which profiles with includes and excludes use.
constexpr std::array<std::pair<std::string_view, std::string_view>, 10> kGoArchitectures = {{
    {"amd64", "SCMP_ARCH_X86_64"},
    {"386", "SCMP_ARCH_X86"},
    {"x86", "SCMP_ARCH_X86"},
    {"x32", "SCMP_ARCH_X32"},
    {"arm64", "SCMP_ARCH_AARCH64"},
    {"arm", "SCMP_ARCH_ARM"},
    {"riscv64", "SCMP_ARCH_RISCV64"},
    {"ppc64le", "SCMP_ARCH_PPC64LE"},
    {"s390x", "SCMP_ARCH_S390X"},
    {"s390", "SCMP_ARCH_S390"},
}};

bool names_native(const std::vector<std::string>& arches, const std::string& native) {
  return std::any_of(arches.begin(), arches.end(), [&](const std::string& arch) {
    for (const auto& [go_name, scmp_name] : kGoArchitectures)
      if (arch == go_name) return scmp_name == native;
    return arch == native;
  });
}

Result<std::vector<std::string>> strings_of(const json::object& o, std::string_view key) {
  std::vector<std::string> texts;
  const json::value* member = o.if_contains(key);
  if (member == nullptr || member->is_null()) return texts;
  if (!member->is_array()) return fail(Code::invalid_argument, "{} is not a list", key);
  for (const json::value& item : member->get_array()) {
    if (!item.is_string()) return fail(Code::invalid_argument, "{} holds something other than strings", key);
    texts.emplace_back(item.get_string());
  }
  return texts;
}

template <class Table>
Result<> check_word(const Table& table, std::string_view word, std::string_view key) {
  if (seccomp::find_word(table, word) == nullptr)
    return fail(Code::invalid_argument, "{} \"{}\" is unknown or not supported", key, printable(word, 64));
  return {};
}

Result<std::string> action_of(const json::object& o, std::string_view key) {
  TRY_ASSIGN(std::string action, json::get_string(o, key));
  TRY(check_word(seccomp::kActions, action, key));
  return action;
}

Result<std::optional<unsigned>> errno_of(const json::object& o, std::string_view key) {
  const json::value* member = o.if_contains(key);
  if (member == nullptr || member->is_null()) return std::optional<unsigned>();
  TRY_ASSIGN(const std::int64_t number, json::get_int(o, key));
  // The kernel keeps the low 12 bits (MAX_ERRNO 4095).
  if (number < 0 || number > 4095) return fail(Code::invalid_argument, "{} {} is not between 0 and 4095", key, number);
  return std::optional<unsigned>(static_cast<unsigned>(number));
}

Result<std::uint64_t> unsigned_of(const json::object& o, std::string_view key) {
  const json::value* member = o.if_contains(key);
  if (member == nullptr || member->is_null()) return std::uint64_t{0};
  if (member->is_uint64()) return member->get_uint64();
  if (member->is_int64() && member->get_int64() >= 0) return static_cast<std::uint64_t>(member->get_int64());
  return fail(Code::invalid_argument, "{} is not a number from 0 to 2^64-1", key);
}

Result<SeccompArg> parse_arg(const json::value& v) {
  if (!v.is_object()) return fail(Code::invalid_argument, "an argument is not an object");
  const json::object& o = v.get_object();
  SeccompArg arg;
  TRY_ASSIGN(const std::uint64_t index, unsigned_of(o, "index"));
  if (index > 5) return fail(Code::invalid_argument, "argument index {} is not between 0 and 5", index);
  arg.index = static_cast<unsigned>(index);
  TRY_ASSIGN(arg.value, unsigned_of(o, "value"));
  TRY_ASSIGN(arg.value_two, unsigned_of(o, "valueTwo"));
  TRY_ASSIGN(arg.op, json::get_string(o, "op"));
  TRY(check_word(seccomp::kOperators, arg.op, "op"));
  return arg;
}

Result<std::optional<KernelVersion>> parse_min_kernel(const json::object& o) {
  const json::value* member = o.if_contains("minKernel");
  if (member == nullptr || member->is_null()) return std::optional<KernelVersion>();
  TRY_ASSIGN(const std::string text, json::get_string(o, "minKernel"));
  const auto parts = split(text, '.');
  if (parts.size() != 2)
    return fail(Code::invalid_argument, "minKernel \"{}\" is not MAJOR.MINOR", printable(text, 32));
  KernelVersion version;
  TRY_ASSIGN(version.major, parse_int<unsigned>(parts[0]));
  TRY_ASSIGN(version.minor, parse_int<unsigned>(parts[1]));
  return std::optional<KernelVersion>(version);
}

Result<SeccompConditions> parse_conditions(const json::object& rule) {
  SeccompConditions when;
  if (const json::object* includes = json::find_object(rule, "includes")) {
    TRY_ASSIGN(when.include_caps, strings_of(*includes, "caps"));
    TRY_ASSIGN(when.include_arches, strings_of(*includes, "arches"));
    TRY_ASSIGN(when.min_kernel, parse_min_kernel(*includes));
  }
  if (const json::object* excludes = json::find_object(rule, "excludes")) {
    if (excludes->contains("minKernel")) return fail(Code::invalid_argument, "excludes.minKernel is not supported");
    TRY_ASSIGN(when.exclude_caps, strings_of(*excludes, "caps"));
    TRY_ASSIGN(when.exclude_arches, strings_of(*excludes, "arches"));
  }
  for (const auto* caps : {&when.include_caps, &when.exclude_caps})
    for (const std::string& cap : *caps)
      if (!capability_number(cap))
        return fail(Code::invalid_argument, "\"{}\" is no Linux capability", printable(cap, 64));
  return when;
}

Result<ConditionalSeccompRule> parse_rule(const json::value& v) {
  if (!v.is_object()) return fail(Code::invalid_argument, "is not an object");
  const json::object& o = v.get_object();
  ConditionalSeccompRule parsed;
  TRY_ASSIGN(parsed.rule.names, strings_of(o, "names"));
  if (o.contains("name") && o.at("name").is_string() && !o.at("name").get_string().empty()) {
    if (!parsed.rule.names.empty()) return fail(Code::invalid_argument, "has both name and names");
    parsed.rule.names.emplace_back(o.at("name").get_string());
  }
  if (parsed.rule.names.empty()) return fail(Code::invalid_argument, "names no system call");
  for (const std::string& name : parsed.rule.names)
    if (name.empty() || name.find('\0') != std::string::npos)
      return fail(Code::invalid_argument, "system call name \"{}\" is not valid", printable(name, 64));
  TRY_ASSIGN(parsed.rule.action, action_of(o, "action"));
  TRY_ASSIGN(parsed.rule.errno_ret, errno_of(o, "errnoRet"));
  const json::value* args = o.if_contains("args");
  if (args != nullptr && !args->is_null()) {
    if (!args->is_array()) return fail(Code::invalid_argument, "args is not a list");
    for (const json::value& item : args->get_array()) {
      TRY_ASSIGN(SeccompArg arg, parse_arg(item));
      parsed.rule.args.push_back(std::move(arg));
    }
  }
  TRY_ASSIGN(parsed.when, parse_conditions(o));
  return parsed;
}

Result<> parse_arch_map(const json::object& o, SeccompProfile& profile) {
  const json::value* map = o.if_contains("archMap");
  if (map == nullptr || map->is_null()) return {};
  if (!map->is_array()) return fail(Code::invalid_argument, "archMap is not a list");
  for (const json::value& item : map->get_array()) {
    if (!item.is_object()) return fail(Code::invalid_argument, "archMap holds something other than objects");
    SeccompArchMap entry;
    TRY_ASSIGN(entry.architecture, json::get_string(item.get_object(), "architecture"));
    TRY_ASSIGN(entry.sub_architectures, strings_of(item.get_object(), "subArchitectures"));
    TRY(check_word(seccomp::kArchitectures, entry.architecture, "architecture"));
    for (const std::string& sub : entry.sub_architectures)
      TRY(check_word(seccomp::kArchitectures, sub, "architecture"));
    profile.arch_map.push_back(std::move(entry));
  }
  return {};
}

Result<SeccompProfile> parse_document(const json::object& o) {
  SeccompProfile profile;
  TRY_ASSIGN(profile.default_action, action_of(o, "defaultAction"));
  TRY_ASSIGN(profile.default_errno, errno_of(o, "defaultErrnoRet"));
  for (const std::string_view key : {"listenerPath", "listenerMetadata"})
    if (o.contains(key))
      return fail(Code::unimplemented, "{}: profiles that ask an agent (SCMP_ACT_NOTIFY) are not supported", key);
  TRY_ASSIGN(profile.architectures, strings_of(o, "architectures"));
  for (const std::string& arch : profile.architectures) TRY(check_word(seccomp::kArchitectures, arch, "architecture"));
  TRY(parse_arch_map(o, profile));
  if (!profile.architectures.empty() && !profile.arch_map.empty())
    return fail(Code::invalid_argument, "has both architectures and archMap");
  TRY_ASSIGN(profile.flags, strings_of(o, "flags"));
  for (const std::string& flag : profile.flags) TRY(check_word(seccomp::kFlags, flag, "flag"));
  const json::value* rules = o.if_contains("syscalls");
  if (rules == nullptr || rules->is_null()) return profile;
  if (!rules->is_array()) return fail(Code::invalid_argument, "syscalls is not a list");
  for (const json::value& item : rules->get_array()) {
    auto rule = parse_rule(item);
    if (!rule) return Fail(std::move(rule).error().context(fmt::format("syscalls[{}]", profile.rules.size())));
    profile.rules.push_back(std::move(*rule));
  }
  return profile;
}

bool holds(const SeccompConditions& when, const SeccompContext& context) {
  const auto has_cap = [&](const std::string& name) {
    const auto number = capability_number(name);
    return number && (context.capabilities >> *number & 1) != 0;
  };
  if (!std::all_of(when.include_caps.begin(), when.include_caps.end(), has_cap)) return false;
  if (std::any_of(when.exclude_caps.begin(), when.exclude_caps.end(), has_cap)) return false;
  if (!when.include_arches.empty() && !names_native(when.include_arches, context.native_arch)) return false;
  if (names_native(when.exclude_arches, context.native_arch)) return false;
  return !when.min_kernel || *when.min_kernel <= context.kernel;
}

json::array to_array(const std::vector<std::string>& texts) {
  json::array list;
  list.reserve(texts.size());
  for (const std::string& text : texts) list.emplace_back(text);
  return list;
}

json::object rule_object(const SeccompRule& rule) {
  json::object o;
  o["names"] = to_array(rule.names);
  o["action"] = rule.action;
  if (rule.errno_ret) o["errnoRet"] = *rule.errno_ret;
  if (rule.args.empty()) return o;
  json::array args;
  for (const SeccompArg& arg : rule.args) {
    json::object item{{"index", arg.index}, {"value", arg.value}, {"op", arg.op}};
    if (arg.op == "SCMP_CMP_MASKED_EQ") item["valueTwo"] = arg.value_two;
    args.push_back(std::move(item));
  }
  o["args"] = std::move(args);
  return o;
}

} // namespace

Result<SeccompProfile> parse_seccomp_profile(std::string_view json) {
  TRY_ASSIGN(const json::value document, json::parse(json));
  if (!document.is_object()) return fail(Code::invalid_argument, "a seccomp profile is a JSON object");
  return parse_document(document.get_object());
}

std::string native_seccomp_arch() {
  const std::uint32_t native = seccomp_arch_native();
  for (const auto& word : seccomp::kArchitectures)
    if (word.value == native) return std::string(word.name);
  return {};
}

SeccompFilter resolve_seccomp(const SeccompProfile& profile, const SeccompContext& context) {
  SeccompFilter filter{profile.default_action, profile.default_errno, profile.architectures, profile.flags, {}};
  for (const SeccompArchMap& entry : profile.arch_map) {
    if (entry.architecture != context.native_arch) continue;
    filter.architectures.push_back(entry.architecture);
    filter.architectures.insert(filter.architectures.end(), entry.sub_architectures.begin(),
                                entry.sub_architectures.end());
  }
  for (const ConditionalSeccompRule& rule : profile.rules)
    if (holds(rule.when, context)) filter.rules.push_back(rule.rule);
  return filter;
}

std::string seccomp_filter_json(const SeccompFilter& filter) {
  json::object o;
  o["defaultAction"] = filter.default_action;
  if (filter.default_errno) o["defaultErrnoRet"] = *filter.default_errno;
  if (!filter.architectures.empty()) o["architectures"] = to_array(filter.architectures);
  if (!filter.flags.empty()) o["flags"] = to_array(filter.flags);
  json::array rules;
  rules.reserve(filter.rules.size());
  for (const SeccompRule& rule : filter.rules) rules.push_back(rule_object(rule));
  o["syscalls"] = std::move(rules);
  return json::to_text(o);
}

Result<SeccompFilter> parse_seccomp_filter(std::string_view oci_json) {
  TRY_ASSIGN(const SeccompProfile profile, parse_seccomp_profile(oci_json));
  return resolve_seccomp(profile, {native_seccomp_arch(), ~std::uint64_t{0}, {~0U, ~0U}});
}

} // namespace keelson::cri
