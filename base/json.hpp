// JSON text to Boost.JSON values and back, as Results. Depth is limited to 64 and duplicates are refused by no one: the
// last one wins, as in Kubernetes.
#pragma once

#include "base/error.hpp"

#include <boost/json/value.hpp>

#include <string>
#include <string_view>

namespace keelson::json {

using boost::json::array;
using boost::json::object;
using boost::json::value;

Result<value> parse(std::string_view text);
std::string to_text(const value& v);        // one line
std::string to_pretty_text(const value& v); // two spaces of indent, keys in their order

// Members of an object with the wanted type. Absent or null: not_found; another type: invalid_argument naming the key.
Result<std::string> get_string(const object& o, std::string_view key);
Result<std::int64_t> get_int(const object& o, std::string_view key);
Result<bool> get_bool(const object& o, std::string_view key);
const object* find_object(const object& o, std::string_view key); // nullptr if absent or not an object
const array* find_array(const object& o, std::string_view key);

} // namespace keelson::json
