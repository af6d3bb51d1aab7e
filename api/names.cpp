// Rules for names, from https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and RFC 1123, 1035,
// 6335.
#include "api/validation.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace keelson::api {

namespace {

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}
bool is_name_edge(char c) {
  return is_letter(c) || is_digit(c);
}

template <class Test>
bool all(std::string_view text, Test test) {
  return std::all_of(text.begin(), text.end(), test);
}

// Letters and digits at both ends, also - _ . inside.
bool is_name_part(std::string_view text) {
  if (text.empty() || text.size() > 63 || !is_name_edge(text.front()) || !is_name_edge(text.back())) return false;
  return all(text, [](char c) { return is_name_edge(c) || c == '-' || c == '_' || c == '.'; });
}

// A part of a sysctl name between points or slashes.
bool is_sysctl_part(std::string_view text) {
  const auto is_edge = [](char c) { return is_lower(c) || is_digit(c); };
  if (text.empty() || !is_edge(text.front()) || !is_edge(text.back())) return false;
  return all(text, [&](char c) { return is_edge(c) || c == '-' || c == '_'; });
}

} // namespace

bool is_dns1123_label(std::string_view text) {
  const auto is_edge = [](char c) { return is_lower(c) || is_digit(c); };
  if (text.empty() || text.size() > 63 || !is_edge(text.front()) || !is_edge(text.back())) return false;
  return all(text, [&](char c) { return is_edge(c) || c == '-'; });
}

bool is_dns1123_subdomain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  const auto is_edge = [](char c) { return is_lower(c) || is_digit(c); };
  // Labels of a subdomain may be longer than 63 here, as in Kubernetes.
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find('.', start), text.size());
    const std::string_view label = text.substr(start, end - start);
    if (label.empty() || !is_edge(label.front()) || !is_edge(label.back())) return false;
    if (!all(label, [&](char c) { return is_edge(c) || c == '-'; })) return false;
    start = end + 1;
  }
  return true;
}

bool is_dns1035_label(std::string_view text) {
  return is_dns1123_label(text) && is_lower(text.front());
}

bool is_qualified_name(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return is_name_part(text);
  return is_dns1123_subdomain(text.substr(0, slash)) && is_name_part(text.substr(slash + 1));
}

bool is_label_value(std::string_view text) {
  return text.empty() || is_name_part(text);
}

bool is_env_name(std::string_view text) {
  return !text.empty() && all(text, [](char c) { return c >= ' ' && c <= '~' && c != '='; });
}

bool is_port_name(std::string_view text) {
  if (text.empty() || text.size() > 15 || text.front() == '-' || text.back() == '-') return false;
  if (text.find("--") != std::string_view::npos || !std::any_of(text.begin(), text.end(), is_lower)) return false;
  return all(text, [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

bool is_sysctl_name(std::string_view text) {
  if (text.size() > 253) return false;
  for (std::size_t start = 0; start <= text.size();) {
    const std::size_t end = std::min(text.find_first_of("./", start), text.size());
    if (!is_sysctl_part(text.substr(start, end - start))) return false;
    start = end + 1;
  }
  return true;
}

bool is_ip_address(std::string_view text) {
  const std::string address(text);
  if (address.size() != text.size() || address.find('\0') != std::string::npos) return false;
  in6_addr buffer{};
  return inet_pton(AF_INET, address.c_str(), &buffer) == 1 || inet_pton(AF_INET6, address.c_str(), &buffer) == 1;
}

} // namespace keelson::api
