// Published validation of core/v1 pods. Pure. Expects a pod after apply_defaults().
#pragma once

#include "api/pod.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace keelson::api {

struct Problem {
  std::string path;    // "spec.containers[0].ports[1].containerPort"
  std::string message; // what is wrong and what is allowed
  bool operator==(const Problem&) const = default;
};

std::vector<Problem> validate(const Pod& pod); // empty: valid

// One line: "path: message; path: message". For errors.
std::string to_text(const std::vector<Problem>& problems);

// invalid_argument with to_text() of the problems, if there are any.
Result<> check(const Pod& pod);

// Rules for names, each true if the text is valid.
bool is_dns1123_label(std::string_view text);     // at most 63: a-z 0-9 -
bool is_dns1123_subdomain(std::string_view text); // at most 253: labels joined by points
bool is_dns1035_label(std::string_view text);     // begins with a letter
bool is_qualified_name(std::string_view text);    // [prefix/]name, as label and annotation keys and resource names
bool is_label_value(std::string_view text);
bool is_env_name(std::string_view text);  // printable ASCII without '='
bool is_port_name(std::string_view text); // IANA service name, at most 15
bool is_sysctl_name(std::string_view text);
bool is_ip_address(std::string_view text);

} // namespace keelson::api
