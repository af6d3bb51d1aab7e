#include "api/validation.hpp"

#include "api/pod_resources.hpp"
#include "api/problems.hpp"

#include <limits>
#include <map>

namespace keelson::api {

namespace {

void check_metadata(Problems& problems, const ObjectMeta& metadata) {
  problems.name("metadata.name", metadata.name, is_dns1123_subdomain, kSubdomainRule);
  problems.name("metadata.namespace", metadata.namespace_, is_dns1123_label, kLabelRule);
  // The uid becomes the name of directories and cgroups.
  const auto is_uid = [](std::string_view text) { return text.empty() || is_dns1123_subdomain(text); };
  problems.name("metadata.uid", metadata.uid, is_uid, kSubdomainRule);
  for (const auto& [key, value] : metadata.labels) {
    problems.name("metadata.labels", key, is_qualified_name, "a label key: [domain/]name, the name at most 63");
    problems.name("metadata.labels['" + printable(key, 80) + "']", value, is_label_value,
                  "at most 63 letters, digits, -, _ and ., with a letter or digit at both ends");
  }
  constexpr std::size_t kMaxAnnotations = 256 * 1024;
  std::size_t size = 0;
  for (const auto& [key, value] : metadata.annotations) {
    problems.name(
        "metadata.annotations", key, [](std::string_view text) { return is_qualified_name(to_lower(text)); },
        "an annotation key: [domain/]name, the name at most 63");
    size += key.size() + value.size();
  }
  if (size > kMaxAnnotations)
    problems.add("metadata.annotations", "have {} bytes: use at most {}", size, kMaxAnnotations);
}

void check_host_ports(Problems& problems, const PodSpec& spec) {
  std::map<std::string, std::string> used; // by address, protocol and port
  const auto check_all = [&](const std::vector<Container>& containers, std::string_view list, bool only_sidecars) {
    for (std::size_t i = 0; i < containers.size(); ++i) {
      if (only_sidecars && !is_sidecar(containers[i])) continue; // others have ended when the next one starts
      for (std::size_t j = 0; j < containers[i].ports.size(); ++j) {
        const ContainerPort& port = containers[i].ports[j];
        if (port.host_port == 0) continue;
        const std::string path = at(at("spec", list, i), "ports", j) + ".hostPort";
        const auto [entry, inserted] =
            used.emplace(fmt::format("{}/{}/{}", port.host_ip, static_cast<int>(port.protocol), port.host_port), path);
        if (!inserted) problems.add(path, "{} is already taken by {}", port.host_port, entry->second);
      }
    }
  };
  check_all(spec.init_containers, "initContainers", true);
  check_all(spec.containers, "containers", false);
}

void check_containers(Problems& problems, const Pod& pod) {
  std::set<std::string> names;
  const auto check_all = [&](const std::vector<Container>& containers, std::string_view list, ContainerRole role) {
    for (std::size_t i = 0; i < containers.size(); ++i) {
      const std::string path = at("spec", list, i);
      validate_container(problems, path, pod, containers[i], role);
      problems.unique(path + ".name", names, containers[i].name);
    }
  };
  if (pod.spec.containers.empty()) problems.add("spec.containers", "is empty: a pod needs at least one container");
  check_all(pod.spec.init_containers, "initContainers", ContainerRole::init);
  check_all(pod.spec.containers, "containers", ContainerRole::regular);
  check_all(pod.spec.ephemeral_containers, "ephemeralContainers", ContainerRole::ephemeral);
  check_host_ports(problems, pod.spec);
}

void check_sysctls(Problems& problems, const std::vector<Sysctl>& sysctls) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < sysctls.size(); ++i) {
    const auto& [name, value, extra] = sysctls[i];
    const std::string path = at("spec.securityContext", "sysctls", i);
    problems.name(path + ".name", name, is_sysctl_name, "parts of a-z, 0-9, - and _ joined by points");
    problems.unique(path + ".name", names, name);
    // One key and one value each: nothing may smuggle in a second one (CVE-2022-0811).
    if (value.find_first_of(std::string_view("\n\r+=\0", 5)) != std::string::npos) {
      problems.add(path + ".value", "\"{}\" must not contain +, = or a line break", printable(value, 80));
    }
  }
}

void check_pod_security(Problems& problems, const PodSecurityContext& context) {
  const std::string path = "spec.securityContext";
  if (context.run_as_user) problems.range(path + ".runAsUser", *context.run_as_user, 0, kMaxId);
  if (context.run_as_group) problems.range(path + ".runAsGroup", *context.run_as_group, 0, kMaxId);
  if (context.fs_group) problems.range(path + ".fsGroup", *context.fs_group, 0, kMaxId);
  for (std::size_t i = 0; i < context.supplemental_groups.size(); ++i) {
    problems.range(at(path, "supplementalGroups", i), context.supplemental_groups[i], 0, kMaxId);
  }
  check_sysctls(problems, context.sysctls);
  validate_profile(problems, path + ".seccompProfile", context.seccomp_profile);
  validate_profile(problems, path + ".appArmorProfile", context.app_armor_profile);
}

bool is_search_domain(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  std::string plain(text);
  for (char& c : plain) c = c == '_' ? '-' : c;
  return text.empty() || is_dns1123_subdomain(plain) || is_dns1123_subdomain("a" + plain + "a");
}

void check_dns(Problems& problems, const PodSpec& spec) {
  if (spec.dns_policy == DnsPolicy::none && (!spec.dns_config || spec.dns_config->nameservers.empty())) {
    problems.add("spec.dnsConfig.nameservers", "needs at least one with dnsPolicy None");
  }
  if (!spec.dns_config) return;
  const PodDnsConfig& config = *spec.dns_config;
  const std::string path = "spec.dnsConfig";
  if (config.nameservers.size() > 3) problems.add(path + ".nameservers", "has more than 3 entries");
  for (std::size_t i = 0; i < config.nameservers.size(); ++i) {
    problems.name(at(path, "nameservers", i), config.nameservers[i], is_ip_address, "an IP address");
  }
  if (config.searches.size() > 32) problems.add(path + ".searches", "has more than 32 entries");
  for (std::size_t i = 0; i < config.searches.size(); ++i) {
    problems.name(at(path, "searches", i), config.searches[i], is_search_domain, "a domain name");
  }
  const auto has_space = [](std::string_view text) { return text.find_first_of(" \t\r\n") != std::string_view::npos; };
  for (std::size_t i = 0; i < config.options.size(); ++i) {
    const std::string item = at(path, "options", i);
    problems.require(item + ".name", config.options[i].name);
    if (has_space(config.options[i].name)) problems.add(item + ".name", "must be one word");
    if (has_space(config.options[i].value.value_or(""))) problems.add(item + ".value", "must be one word");
  }
}

void check_aliases(Problems& problems, const PodSpec& spec) {
  for (std::size_t i = 0; i < spec.host_aliases.size(); ++i) {
    const HostAlias& alias = spec.host_aliases[i];
    const std::string path = at("spec", "hostAliases", i);
    problems.name(path + ".ip", alias.ip, is_ip_address, "an IP address");
    for (std::size_t j = 0; j < alias.hostnames.size(); ++j) {
      problems.name(at(path, "hostnames", j), alias.hostnames[j], is_dns1123_subdomain, kSubdomainRule);
    }
  }
}

void check_pod_resources(Problems& problems, const Pod& pod) {
  check_aliases(problems, pod.spec);
  if (!pod.spec.resources) return;
  const ResourceRequirements& resources = *pod.spec.resources;
  validate_resources(problems, "spec.resources", resources);
  for (const auto* list : {&resources.requests, &resources.limits}) {
    for (const auto& [name, quantity] : *list) {
      if (!is_pod_level_resource(name)) problems.add("spec.resources." + name, "is not a resource of a whole pod");
    }
  }
  for (const auto& [name, sum] : sum_of_container_requests(pod)) {
    const auto own = resources.requests.find(name);
    if (own != resources.requests.end() && own->second < sum) {
      problems.add("spec.resources.requests." + name, "{} is less than the {} that the containers request",
                   own->second.to_string(), sum.to_string());
    }
  }
}

void check_host_namespaces(Problems& problems, const PodSpec& spec) {
  const std::string path = "spec.shareProcessNamespace";
  if (spec.host_pid && spec.share_process_namespace.value_or(false)) {
    problems.add(path, "must not be set together with hostPID");
  }
}

void check_spec(Problems& problems, const PodSpec& spec) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  problems.range("spec.terminationGracePeriodSeconds", spec.termination_grace_period_seconds.value_or(0), 0,
                 std::numeric_limits<std::int64_t>::max());
  if (spec.active_deadline_seconds)
    problems.range("spec.activeDeadlineSeconds", *spec.active_deadline_seconds, 1, kMax);
  if (!spec.hostname.empty()) problems.name("spec.hostname", spec.hostname, is_dns1123_label, kLabelRule);
  if (!spec.subdomain.empty()) problems.name("spec.subdomain", spec.subdomain, is_dns1123_label, kLabelRule);
  if (!spec.node_name.empty()) problems.name("spec.nodeName", spec.node_name, is_dns1123_subdomain, kSubdomainRule);
  if (!spec.runtime_class_name.empty()) {
    problems.name("spec.runtimeClassName", spec.runtime_class_name, is_dns1123_subdomain, kSubdomainRule);
  }
  if (!spec.service_account_name.empty()) {
    problems.name("spec.serviceAccountName", spec.service_account_name, is_dns1123_subdomain, kSubdomainRule);
  }
  if (!spec.priority_class_name.empty()) {
    problems.name("spec.priorityClassName", spec.priority_class_name, is_dns1123_subdomain, kSubdomainRule);
  }
  if (spec.restart_policy == RestartPolicy::unset) problems.add("spec.restartPolicy", "is required");
  check_host_namespaces(problems, spec);
  check_dns(problems, spec);
  validate_volumes(problems, spec);
}

} // namespace

std::vector<Problem> validate(const Pod& pod) {
  Problems problems;
  check_metadata(problems, pod.metadata);
  check_spec(problems, pod.spec);
  if (pod.spec.security_context) check_pod_security(problems, *pod.spec.security_context);
  check_containers(problems, pod);
  check_pod_resources(problems, pod);
  return problems.take();
}

std::string to_text(const std::vector<Problem>& problems) {
  std::string out;
  for (const auto& [path, message] : problems) {
    out += (out.empty() ? "" : "; ") + path + ": " + message;
  }
  return out;
}

Result<> check(const Pod& pod) {
  const std::vector<Problem> problems = validate(pod);
  if (problems.empty()) return {};
  return fail(Code::invalid_argument, "pod {} is not valid: {}", full_name(pod), to_text(problems));
}

} // namespace keelson::api
