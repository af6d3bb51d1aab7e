#include "cri/server/process_spec_reader.hpp"

#include "base/json.hpp"
#include "cri/oci/capabilities.hpp"

namespace keelson::cri {

namespace {

std::vector<std::string> strings_of(const json::object& from, std::string_view key) {
  std::vector<std::string> texts;
  if (const json::array* array = json::find_array(from, key))
    for (const json::value& element : *array)
      if (element.is_string()) texts.emplace_back(element.get_string());
  return texts;
}

Result<std::uint64_t> capability_mask(const json::object& capabilities, std::string_view set) {
  std::uint64_t mask = 0;
  for (const std::string& name : strings_of(capabilities, set)) {
    const auto number = capability_number(name);
    if (!number) return fail(Code::data_loss, "unknown capability \"{}\"", name);
    mask |= std::uint64_t{1} << *number;
  }
  return mask;
}

Result<CapabilitySets> read_capabilities(const json::object& process) {
  CapabilitySets sets;
  const json::object* capabilities = json::find_object(process, "capabilities");
  if (capabilities == nullptr) return sets;
  TRY_ASSIGN(sets.bounding, capability_mask(*capabilities, "bounding"));
  TRY_ASSIGN(sets.permitted, capability_mask(*capabilities, "permitted"));
  TRY_ASSIGN(sets.effective, capability_mask(*capabilities, "effective"));
  TRY_ASSIGN(sets.inheritable, capability_mask(*capabilities, "inheritable"));
  TRY_ASSIGN(sets.ambient, capability_mask(*capabilities, "ambient"));
  return sets;
}

Result<std::vector<Rlimit>> read_rlimits(const json::object& process) {
  std::vector<Rlimit> rlimits;
  const json::array* array = json::find_array(process, "rlimits");
  if (array == nullptr) return rlimits;
  for (const json::value& element : *array) {
    const json::object* entry = element.if_object();
    if (entry == nullptr) return fail(Code::data_loss, "an entry of rlimits is no object");
    Rlimit rlimit;
    TRY_ASSIGN(rlimit.type, json::get_string(*entry, "type"));
    for (const auto& [key, value] : {std::pair{"soft", &rlimit.soft}, std::pair{"hard", &rlimit.hard}}) {
      boost::system::error_code error;
      const json::value* number = entry->if_contains(key);
      *value = number != nullptr ? number->to_number<std::uint64_t>(error) : 0;
      if (number == nullptr || error) return fail(Code::data_loss, "rlimit {} lacks \"{}\"", rlimit.type, key);
    }
    rlimits.push_back(std::move(rlimit));
  }
  return rlimits;
}

Result<> read_user(const json::object& process, ProcessSpec& spec) {
  const json::object* user = json::find_object(process, "user");
  if (user == nullptr) return {};
  spec.uid = static_cast<uid_t>(json::get_int(*user, "uid").value_or(0));
  spec.gid = static_cast<gid_t>(json::get_int(*user, "gid").value_or(0));
  if (const json::array* gids = json::find_array(*user, "additionalGids"))
    for (const json::value& gid : *gids) {
      boost::system::error_code error;
      spec.additional_gids.push_back(gid.to_number<gid_t>(error));
      if (error) return fail(Code::data_loss, "additionalGids holds no number");
    }
  return {};
}

Result<ProcessSpec> read_process(const json::object& process) {
  ProcessSpec spec;
  spec.args = strings_of(process, "args");
  spec.env = strings_of(process, "env");
  TRY_ASSIGN(spec.cwd, json::get_string(process, "cwd"));
  spec.tty = json::get_bool(process, "terminal").value_or(false);
  TRY(read_user(process, spec));
  TRY_ASSIGN(spec.capabilities, read_capabilities(process));
  TRY_ASSIGN(spec.rlimits, read_rlimits(process));
  spec.no_new_privs = json::get_bool(process, "noNewPrivileges").value_or(false);
  spec.apparmor_profile = json::get_string(process, "apparmorProfile").value_or("");
  if (const auto adjustment = json::get_int(process, "oomScoreAdj")) spec.oom_score_adj = static_cast<int>(*adjustment);
  return spec;
}

} // namespace

Result<ProcessSpec> read_process_spec(std::string_view config_json) {
  TRY_ASSIGN(const json::value config, json::parse(config_json));
  const json::object* root = config.if_object();
  const json::object* process = root != nullptr ? json::find_object(*root, "process") : nullptr;
  if (process == nullptr) return fail(Code::data_loss, "config.json has no process");
  TRY_ASSIGN(ProcessSpec spec, read_process(*process));
  const json::object* linux_part = json::find_object(*root, "linux");
  const json::object* seccomp = linux_part != nullptr ? json::find_object(*linux_part, "seccomp") : nullptr;
  if (seccomp == nullptr) return spec;
  TRY_ASSIGN(spec.seccomp, parse_seccomp_filter(json::to_text(*seccomp)));
  return spec;
}

} // namespace keelson::cri
