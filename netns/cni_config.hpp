// CNI configuration lists, results and errors as values, and the JSON that goes to a plug-in. Pure, except
// load_cni_config. Rules: the CNI specification 1.1.0, sections 1 to 4 (https://www.cni.dev/docs/spec/).
#pragma once

#include "base/error.hpp"
#include "base/json.hpp"
#include "netns/pod_network.hpp"

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::netns {

struct CniList {
  std::string name;
  std::string version; // 0.3.0 to 1.1.0
  bool disable_check = false;
  std::vector<json::object> plugins; // each with a "type" that is a plain file name
};

// A list, or a single plug-in's configuration (a .conf file), which becomes a list of one. The error names the member.
Result<CniList> parse_cni_list(std::string_view text);
json::object format_cni_list(const CniList& list);

// The first file of the directory in lexical order with a name in .conf, .conflist or .json. not_found if there is
// none; a first file that is bad is an error, never skipped: pods would land in another network.
Result<CniList> load_cni_config(const std::string& dir);

// "runtimeConfig": what the pod's capabilities arguments are, by capability name, for those that have a value.
json::object capability_arguments(const AttachRequest& request);

// Standard input of one plug-in: its configuration without "capabilities", the list's name and version, the arguments
// of the capabilities that it declares, and the result so far.
std::string plugin_input(const CniList& list, const json::object& plugin, const json::object& capability_arguments,
                         const std::optional<json::value>& previous_result);

// CNI_ARGS. invalid_argument if a value has a ';' or a control character.
Result<std::string> format_cni_args(const PodName& pod, std::string_view sandbox_id);

// The addresses of the pod's interface in a result of ADD, one of each family, in the result's order.
Result<PodAddresses> parse_cni_result(const json::value& result, std::string_view interface);

// What a plug-in that failed has said: its error object on standard output, or the end of its standard error.
Error cni_error(std::string_view plugin, std::string_view command, std::string_view out, std::string_view err);

// "10M" or "1Gi" in bits per second, as bandwidth annotations have it.
std::optional<std::int64_t> parse_bandwidth(std::string_view text);

// Whether a version is at least another: "1.0.0" is at least "0.4.0".
bool version_at_least(std::string_view version, std::string_view other);

} // namespace keelson::netns
