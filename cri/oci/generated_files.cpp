#include "cri/oci/generated_files.hpp"

#include "base/text.hpp"
#include "cri/proto/runtime_v1.pb.h"

#include <arpa/inet.h>

#include <algorithm>

namespace keelson::cri {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool only(std::string_view text, std::string_view extra) {
  return std::all_of(text.begin(), text.end(),
                     [&](char c) { return is_alphanumeric(c) || extra.find(c) != std::string_view::npos; });
}

// An address with an optional zone, as resolv.conf(5) takes it: fe80::1%eth0.
bool is_address(const std::string& text) {
  const std::size_t percent = text.find('%');
  const std::string bare = text.substr(0, percent);
  in6_addr address{};
  if (::inet_pton(AF_INET, bare.c_str(), &address) == 1)
    return percent == std::string::npos && bare.size() == text.size();
  if (::inet_pton(AF_INET6, bare.c_str(), &address) != 1) return false;
  return percent == std::string::npos || (percent + 1 < text.size() && only(text.substr(percent + 1), "._-"));
}

bool has_nul(const std::string& text) {
  return text.find('\0') != std::string::npos;
}

Result<> check_address(const std::string& text, std::string_view what) {
  if (text.size() > 64 || has_nul(text) || !is_address(text))
    return fail(Code::invalid_argument, "{} \"{}\" is not an IP address", what, printable(text, 64));
  return {};
}

Result<> check_words(const google::protobuf::RepeatedPtrField<std::string>& words, std::string_view extra,
                     std::string_view what) {
  for (const std::string& word : words)
    if (word.empty() || word.size() > 255 || !only(word, extra))
      return fail(Code::invalid_argument, "dns_config: {} \"{}\" has characters that are not allowed", what,
                  printable(word, 64));
  return {};
}

} // namespace

Result<> check_hostname(const std::string& hostname) {
  const auto bad = [&] {
    return fail(Code::invalid_argument,
                "hostname \"{}\" is not a DNS name of at most 64 characters (letters, digits, - and .)",
                printable(hostname, 80));
  };
  if (hostname.empty() || hostname.size() > 64) return bad();
  for (const std::string_view label : split(hostname, '.'))
    if (label.empty() || !only(label, "-_") || !is_alphanumeric(label.front()) || !is_alphanumeric(label.back()))
      return bad();
  return {};
}

Result<std::string> hostname_text(const std::string& hostname) {
  TRY(check_hostname(hostname));
  return hostname + "\n";
}

Result<std::string> hosts_text(const std::string& hostname, const std::vector<std::string>& addresses) {
  TRY(check_hostname(hostname));
  std::string text = "# Written by keelsond.\n"
                     "127.0.0.1\tlocalhost\n"
                     "::1\tlocalhost ip6-localhost ip6-loopback\n"
                     "fe00::0\tip6-localnet\n"
                     "fe00::0\tip6-mcastprefix\n"
                     "fe00::1\tip6-allnodes\n"
                     "fe00::2\tip6-allrouters\n";
  for (const std::string& address : addresses) {
    TRY(check_address(address, "pod address"));
    text += address + "\t" + hostname + "\n";
  }
  return text;
}

Result<std::string> resolv_conf_text(const runtime::v1::DNSConfig& dns) {
  for (const std::string& server : dns.servers()) TRY(check_address(server, "dns_config: server"));
  TRY(check_words(dns.searches(), "-_.", "search domain"));
  TRY(check_words(dns.options(), "-_.:", "option"));
  std::string text;
  if (dns.searches_size() > 0) {
    text += "search";
    for (const std::string& domain : dns.searches()) text += " " + domain;
    text += "\n";
  }
  for (const std::string& server : dns.servers()) text += "nameserver " + server + "\n";
  if (dns.options_size() > 0) {
    text += "options";
    for (const std::string& option : dns.options()) text += " " + option;
    text += "\n";
  }
  return text;
}

} // namespace keelson::cri
